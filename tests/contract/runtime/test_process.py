"""What only real processes can show: isolation, streams, logs, users, limits, restarts of agent and machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from harness import FOREVER, TIMEOUT, Harness, collect

from agent.runtime.protocol import ContainerState, Mount, Resources, RuntimeFault, SecurityContext
from minikube_py.linux.namespaces import in_netns

#: A loop of the shell that stays until it is stopped, and a line when its trap is set.
SHELL = ("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
ROOTLESS = "MINIK_TEST_ROOTLESS" in os.environ


@pytest.fixture
def harness(process_runtime: Harness) -> Harness:
    return process_runtime


async def _answer(harness: Harness, sandbox: str, port: int, request: bytes) -> bytes:
    reader, writer = await harness.runtime.port_forward(sandbox, port)
    writer.write(request)
    writer.write_eof()
    async with asyncio.timeout(TIMEOUT):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_container_sees_itself_and_nothing_else(harness: Harness) -> None:
    container = await harness.run(SHELL)
    code, out, _ = await harness.output(container, "sh", "-c", "echo $$; hostname; ls /proc | grep -c '^[0-9]*$'")
    pid, hostname, processes = out.split()
    assert (code, hostname) == (0, "pod-1")
    assert int(pid) < 20
    assert int(processes) <= 5
    assert (await harness.output(container, "cat", "/proc/1/comm"))[1] == "sh\n"


async def test_the_hosts_tools_are_there_and_cannot_be_changed(harness: Harness) -> None:
    container = await harness.run(SHELL)
    code, _, error = await harness.output(container, "touch", "/usr/bin/x")
    assert code != 0
    assert "Read-only" in error
    for path in ("/tmp/x", "/root/x", "/run/x", "/dev/shm/x", "/x"):
        assert (await harness.output(container, "touch", path))[0] == 0, path
    assert "x" not in os.listdir("/")
    assert (await harness.output(container, "sh", "-c", "echo > /dev/null; head -c3 /dev/zero | wc -c"))[1] == "3\n"


async def test_shared_memory_is_the_pods(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    first = await harness.run(SHELL, sandbox=sandbox.id, name="one")
    second = await harness.run(SHELL, sandbox=sandbox.id, name="two")
    await harness.output(first, "sh", "-c", "echo shared > /dev/shm/x; echo own > /tmp/x")
    assert (await harness.output(second, "cat", "/dev/shm/x"))[1] == "shared\n"
    assert (await harness.output(second, "cat", "/tmp/x"))[0] != 0


async def test_the_pods_files(harness: Harness) -> None:
    sandbox = await harness.sandbox(
        hostname="web",
        resolv_conf="nameserver 10.96.0.10\n",
        etc_hosts="10.0.0.1 web\n",
        sysctls={"kernel.shmmni": "64"},
    )
    container = await harness.run(SHELL, sandbox=sandbox.id)
    _, out, _ = await harness.output(container, "cat", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname")
    assert out == "nameserver 10.96.0.10\n10.0.0.1 web\nweb\n"
    assert (await harness.output(container, "cat", "/proc/sys/kernel/shmmni"))[1] == "64\n"


async def test_an_unknown_sysctl_leaves_no_sandbox(harness: Harness) -> None:
    with pytest.raises(RuntimeFault, match=r"set sysctl net\.nonsense") as raised:
        await harness.sandbox(sysctls={"net.nonsense": "1"})
    assert raised.value.reason == "FailedCreatePodSandBox"
    assert await harness.runtime.list_sandboxes() == []


async def test_mounts(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "hosts").write_text("1.2.3.4 managed\n")
    mounts = (
        Mount(tmp_path / "data" / "..", "/outer"),
        Mount(tmp_path / "data", "/outer/data/deep", read_only=True),
        Mount(tmp_path / "hosts", "/etc/hosts"),
    )
    container = await harness.run(SHELL, mounts=mounts)
    await harness.output(container, "sh", "-c", "echo x > /outer/written")
    assert (tmp_path / "written").read_text() == "x\n"
    assert "Read-only" in (await harness.output(container, "touch", "/outer/data/deep/x"))[2]
    assert (await harness.output(container, "cat", "/etc/hosts"))[1] == "1.2.3.4 managed\n"


async def test_a_mount_that_is_not_there_is_a_start_fault(harness: Harness, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="gone"):
        await harness.run(SHELL, mounts=(Mount(tmp_path / "gone", "/gone"),))
    assert (await harness.runtime.list_containers())[0].exit_code == 128


async def test_logs_are_cri_lines_of_both_streams(harness: Harness) -> None:
    path = harness.directory / "app.log"
    script = "echo one; echo two >&2; printf three; head -c 20000 /dev/zero | tr '\\0' x"
    await harness.exited(await harness.run(("sh", "-c", script), log_path=path))
    lines = path.read_text().splitlines()
    entries = [line.split(" ", 3) for line in lines]
    assert all(entry[0].endswith("Z") and len(entry[0]) == 30 for entry in entries)
    plain = {(stream, tag, text[:5]) for _, stream, tag, text in entries}
    assert ("stdout", "F", "one") in plain
    assert ("stderr", "F", "two") in plain
    assert ("stdout", "P", "three") in plain
    assert sum(len(text) for _, stream, _, text in entries if stream == "stdout") == 3 + 5 + 20000


async def test_a_rotated_log_goes_on_in_a_new_file(harness: Harness) -> None:
    path = harness.directory / "app.log"
    container = await harness.run(("sh", "-c", "trap 'echo again' USR1; echo first; while :; do sleep 0.02; done"),
                                  log_path=path)  # fmt: skip
    await harness.log(container, "first")
    path.rename(path.with_suffix(".1"))
    await harness.runtime.reopen_log(container)
    await harness.output(container, "kill", "-USR1", "1")
    assert "again" in await harness.log(container, "again")
    assert "first" not in path.read_text()


async def test_commands_with_streams_and_codes(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    result = await harness.output(container, "sh", "-c", "cat; echo bad >&2; exit 7", stdin=b"hello")
    assert result == (7, "hello", "bad\n")
    assert (await harness.output(container, "sh", "-c", "kill -9 $$"))[0] == 137
    code, out, _ = await harness.output(container, "head", "-c", "3000000", "/dev/zero")
    assert (code, len(out)) == (0, 3_000_000)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nothing-like-it", r'exec: "nothing-like-it": executable file not found in \$PATH'),
        ("/nothing", r'exec: "/nothing": stat /nothing: no such file or directory'),
        ("/etc/passwd", r'exec: "/etc/passwd": permission denied'),
        ("/etc", r'exec: "/etc": is a directory'),
    ],
)
async def test_commands_that_cannot_run(harness: Harness, command: str, words: str) -> None:
    container = await harness.run(FOREVER)
    with pytest.raises(RuntimeFault, match=words):
        await harness.runtime.exec(container, [command])


async def test_a_terminal(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    streams = await harness.runtime.exec(container, ["sh"], tty=True, stdin=True)
    await streams.resize(101, 37)
    await streams.write_stdin(b"stty size; tty; exit 5\n")
    async with asyncio.timeout(TIMEOUT):
        assert await streams.wait() == 5
        out = (await streams.stdout.read()).decode()
    assert "37 101" in out
    assert "/dev/pts/" in out
    assert await streams.stderr.read() == b""
    await streams.close()


async def test_a_client_that_leaves_ends_its_command(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    streams = await harness.runtime.exec(container, ["sleep", "1000"])
    await streams.close()
    async with asyncio.timeout(TIMEOUT):
        while (await harness.output(container, "sh", "-c", "cat /proc/*/comm | grep -c sleep"))[1] != "0\n":
            pass


async def test_attach_shows_what_comes_and_feeds_stdin(harness: Harness) -> None:
    container = await harness.run(("sh", "-c", "while read line; do echo got $line; done; echo end"), stdin=True,
                                  stdin_once=True)  # fmt: skip
    streams = await harness.runtime.attach(container, stdin=True)
    await streams.write_stdin(b"one\n")
    async with asyncio.timeout(TIMEOUT):
        assert await streams.stdout.readline() == b"got one\n"
        await streams.close_stdin()
        assert await streams.stdout.read() == b"end\n"
        assert await streams.wait() == 0
    await streams.close()


async def test_a_client_without_more_input_leaves_a_container_that_takes_many(harness: Harness) -> None:
    container = await harness.run(("sh", "-c", "while read line; do echo got $line; done"), stdin=True)
    for word in ("one", "two"):
        streams = await harness.runtime.attach(container, stdin=True)
        await streams.write_stdin(f"{word}\n".encode())
        async with asyncio.timeout(TIMEOUT):
            assert await streams.stdout.readline() == f"got {word}\n".encode()
            await streams.close_stdin()
            assert await streams.wait() == 0
        await streams.close()


async def test_attach_to_a_terminal(harness: Harness) -> None:
    container = await harness.run(("sh",), stdin=True, tty=True)
    streams = await harness.runtime.attach(container, stdin=True)
    await streams.write_stdin(b"echo $TERM; exit 3\n")
    async with asyncio.timeout(TIMEOUT):
        assert await streams.wait() == 3
    assert b"xterm" in await streams.stdout.read()
    await streams.close()


async def test_the_echo_answers_on_declared_ports(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    pod = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 80}, {"containerPort": 9376}]}]},
    }
    log = harness.directory / "echo.log"
    container = await harness.run(sandbox=sandbox.id, pod=pod, env={"COLOR": "blue"}, log_path=log)
    for port in (80, 9376):
        request = b"GET /x?y=1 HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        head, _, body = (await _answer(harness, sandbox.id, port, request)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        told: dict[str, Any] = json.loads(body)
        assert (told["pod"], told["namespace"], told["node"]) == ("web", "shop", "node-1")
        assert (told["path"], told["env"]["COLOR"]) == ("/x?y=1", "blue")
    raw = await _answer(harness, sandbox.id, 80, b"\x00binary")
    greeting, _, rest = raw.partition(b"\n")
    assert b"pod=web" in greeting
    assert "listening on tcp 9376" in await harness.log(container, '"GET /x?y=1" 200')
    assert rest == b"\x00binary"


async def test_the_echo_answers_datagrams(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    pod = {"metadata": {"name": "dns"}, "spec": {"containers": [
        {"name": "app", "ports": [{"containerPort": 53, "protocol": "UDP"}]}]}}  # fmt: skip
    await harness.run(sandbox=sandbox.id, pod=pod)
    netns = os.open(sandbox.netns_path, os.O_RDONLY)
    with in_netns(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        os.close(netns)
        client.settimeout(TIMEOUT)
        for payload in (b"", b"question", b"x" * 9000):
            client.sendto(payload, ("127.0.0.1", 53))
            answer = await asyncio.to_thread(client.recv, 65536)
            greeting, _, rest = answer.partition(b"\n")
            assert b"udp pod=dns" in greeting
            assert rest == payload


async def test_host_networking_is_the_nodes(harness: Harness) -> None:
    sandbox = await harness.sandbox(host_network=True, hostname="node-1")
    assert sandbox.netns_path == ""
    own = await harness.run(SHELL)
    shared = await harness.run(SHELL, sandbox=sandbox.id)
    pid = harness.runtime._client.machine_pid  # type: ignore[attr-defined]
    node = os.readlink(f"/proc/{pid}/ns/net")
    assert (await harness.output(shared, "readlink", "/proc/self/ns/net"))[1].strip() == node
    assert (await harness.output(own, "readlink", "/proc/self/ns/net"))[1].strip() != node
    assert (await harness.output(shared, "hostname"))[1] == "node-1\n"


async def test_host_pid_shows_the_node(harness: Harness) -> None:
    sandbox = await harness.sandbox(host_pid=True)
    container = await harness.run(SHELL, sandbox=sandbox.id)
    assert "minik-machine" in (await harness.output(container, "cat", "/proc/1/comm"))[1]
    await harness.runtime.stop_container(container, grace_seconds=10)
    assert (await harness.status(container)).exit_code == 0


async def test_port_forward_refuses_what_nobody_listens_on(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    with pytest.raises(ConnectionRefusedError):
        await harness.runtime.port_forward(sandbox.id, 81)


@pytest.mark.parametrize("share", [True, False])
async def test_sharing_the_process_namespace(harness: Harness, share: bool) -> None:
    sandbox = await harness.sandbox(share_process_namespace=share)
    await harness.run(("tail", "-f", "/dev/null"), sandbox=sandbox.id, name="one")
    second = await harness.run(SHELL, sandbox=sandbox.id, name="two")
    out = (await harness.output(second, "sh", "-c", "cat /proc/[0-9]*/comm"))[1]
    assert ("pause" in out) is share
    assert ("tail" in out) is share


async def test_children_die_with_their_container_in_a_shared_namespace(harness: Harness) -> None:
    sandbox = await harness.sandbox(share_process_namespace=True)
    container = await harness.run(("sh", "-c", "tail -f /dev/null & wait"), sandbox=sandbox.id, name="one")
    other = await harness.run(SHELL, sandbox=sandbox.id, name="two")
    await harness.runtime.stop_container(container, grace_seconds=0)
    async with asyncio.timeout(TIMEOUT):
        while "tail" in (await harness.output(other, "sh", "-c", "cat /proc/[0-9]*/comm"))[1]:
            pass


def _reaper(machine: int) -> int:
    children = [int(pid) for pid in Path(f"/proc/{machine}/task/{machine}/children").read_text().split()]
    (reaper,) = [pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "pause\n"]
    return reaper


async def test_without_its_reaper_a_shared_namespace_is_lost_and_told(harness: Harness) -> None:
    events = harness.runtime.events()
    sandbox = await harness.sandbox(share_process_namespace=True)
    container = await harness.run(sandbox=sandbox.id)
    os.kill(_reaper(harness.runtime._client.machine_pid), signal.SIGKILL)  # type: ignore[attr-defined]
    assert (await harness.exited(container)).exit_code == 137
    async with asyncio.timeout(TIMEOUT):
        while [each.ready for each in await harness.runtime.list_sandboxes()] != [False]:
            await anext(events)
    await harness.runtime.remove_sandbox(sandbox.id)
    await harness.run(sandbox=(await harness.sandbox(share_process_namespace=True)).id)


async def test_joining_the_processes_of_another_container(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    target = await harness.run(SHELL, sandbox=sandbox.id)
    debugger = await harness.run(("sleep", "1000"), sandbox=sandbox.id, name="debug", target_container_id=target)
    assert "sleep\n" in (await harness.output(target, "sh", "-c", "cat /proc/[0-9]*/comm"))[1]
    await harness.runtime.remove_container(debugger)


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (SecurityContext(run_as_user=12345), "12345 0"),
        (SecurityContext(run_as_user=12345, run_as_group=3000), "12345 3000"),
    ],
)
async def test_users(harness: Harness, security: SecurityContext, expected: str) -> None:
    container = await harness.run(SHELL, security=security)
    assert (await harness.output(container, "sh", "-c", "echo $(id -u) $(id -g)"))[1].strip() == expected
    status = (await harness.output(container, "cat", "/proc/1/status"))[1]
    assert "CapEff:\t0000000000000000" in status


@pytest.mark.skipif(ROOTLESS, reason="a single id has no groups")
async def test_groups(harness: Harness) -> None:
    security = SecurityContext(run_as_user=12345, run_as_group=3000, supplemental_groups=(4000, 5000))
    container = await harness.run(SHELL, security=security)
    assert (await harness.output(container, "id", "-G"))[1].split() == ["3000", "4000", "5000"]


async def test_capabilities_and_privileges(harness: Harness) -> None:
    plain = await harness.run(SHELL)
    strict = await harness.run(
        SHELL,
        security=SecurityContext(allow_privilege_escalation=False, drop_capabilities=("ALL",),
                                 add_capabilities=("NET_BIND_SERVICE",)),
    )  # fmt: skip
    status = (await harness.output(plain, "cat", "/proc/1/status"))[1]
    assert "CapEff:\t00000000a80425fb" in status  # the engines' usual set
    assert "NoNewPrivs:\t0" in status
    status = (await harness.output(strict, "cat", "/proc/self/status"))[1]
    assert "CapEff:\t0000000000000400" in status
    assert "NoNewPrivs:\t1" in status


async def test_an_unknown_capability_is_a_start_fault(harness: Harness) -> None:
    with pytest.raises(RuntimeFault, match="unknown capability 'FLY'"):
        await harness.run(SHELL, security=SecurityContext(add_capabilities=("FLY",)))


async def test_a_read_only_root(harness: Harness, tmp_path: Path) -> None:
    container = await harness.run(SHELL, security=SecurityContext(read_only_root=True), mounts=(Mount(tmp_path, "/w"),))
    assert "Read-only" in (await harness.output(container, "touch", "/x"))[2]
    assert (await harness.output(container, "touch", "/w/x"))[0] == 0


@pytest.mark.skipif(ROOTLESS, reason="the host of a rootless machine protects itself")
async def test_the_hosts_kernel_settings_are_out_of_reach(harness: Harness) -> None:
    container = await harness.run(SHELL)
    code, _, error = await harness.output(container, "sh", "-c", "echo 0 > /proc/sys/kernel/panic")
    assert code != 0
    assert "Read-only" in error
    assert (await harness.output(container, "cat", "/proc/kcore"))[1] == ""


async def test_a_container_that_wants_too_much_memory_is_killed(harness: Harness) -> None:
    if not harness.runtime.limits_enforced:  # type: ignore[attr-defined]
        pytest.skip("no control groups here")
    container = await harness.run(("tail", "/dev/zero"), resources=Resources(memory_limit_bytes=16 << 20))
    status = await harness.exited(container)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


async def test_limits_change_while_a_container_runs_and_it_sees_them(harness: Harness) -> None:
    if not harness.runtime.limits_enforced:  # type: ignore[attr-defined]
        pytest.skip("no control groups here")
    sandbox = await harness.sandbox()
    container = await harness.run(SHELL, sandbox=sandbox.id, resources=Resources(memory_limit_bytes=64 << 20))
    script = "cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes; "
    script += "cut -d' ' -f1 cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us"
    assert (await harness.output(container, "sh", "-c", script))[1].split()[0] == str(64 << 20)
    await harness.runtime.update_resources(container, Resources(100, 500, 32 << 20))
    await harness.runtime.update_pod_resources(sandbox.id, Resources(100, 500, 32 << 20))
    assert (await harness.output(container, "sh", "-c", script))[1].split() == [str(32 << 20), "50000"]
    with pytest.raises(RuntimeFault, match="no such container") as raised:
        await harness.runtime.update_resources("gone", Resources())
    assert raised.value.reason == "ResizeError"


async def test_the_ipc_of_the_node_can_be_shared(harness: Harness) -> None:
    pods = [await harness.sandbox(host_ipc=True), await harness.sandbox(host_ipc=True), await harness.sandbox()]
    containers = [await harness.run(SHELL, sandbox=pod.id) for pod in pods]
    seen = [(await harness.output(each, "readlink", "/proc/self/ns/ipc"))[1] for each in containers]
    assert seen[0] == seen[1] != seen[2]


async def test_a_new_agent_adopts_what_runs(machine: Any, harness: Harness) -> None:
    sandbox = await harness.sandbox()
    kept = await harness.run(FOREVER, sandbox=sandbox.id)
    path = harness.directory / "late.log"
    ended = await harness.run(("sh", "-c", "sleep 0.3; echo late; exit 9"), log_path=path)
    before = await harness.status(kept)
    await harness.runtime.stop()

    again = machine.runtime()
    await again.start()
    other = Harness(again, harness.image, harness.directory)
    assert await other.status(kept) == before
    assert (await other.exited(ended)).exit_code == 9
    assert "late" in path.read_text()
    assert (await again.list_sandboxes())[0] == sandbox
    assert (await other.output(kept, "true"))[0] == 0
    await again.stop_container(kept, grace_seconds=10)
    assert (await other.status(kept)).exit_code == 0
    await again.stop()


async def test_the_death_of_the_machine_is_told_and_survived(machine: Any, harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    pid = (await harness.status(container)).pid
    assert pid is not None
    events = harness.runtime.events()
    machine.kill()
    lost = await collect(events, 2)
    assert [(event.container_id, event.sandbox_id) for event in lost] == [(container, sandbox.id), ("", sandbox.id)]
    async with asyncio.timeout(TIMEOUT):
        while _alive(pid):  # noqa: ASYNC110 - another parent reaps it
            await asyncio.sleep(0.01)
    machine.start()
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                fresh = await harness.run(FOREVER)
                break
            except RuntimeFault:
                await asyncio.sleep(0.02)
    assert [each.id for each in await harness.runtime.list_containers()] == [fresh]


async def test_a_killed_process_is_an_exit(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    pid = (await harness.status(container)).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    status = await harness.exited(container)
    assert (status.exit_code, status.state) == (137, ContainerState.EXITED)


async def test_what_is_removed_leaves_no_files(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    await harness.output(container, "sh", "-c", "mkdir -p /a/b; touch /a/b/c; chmod 0 /a")
    await harness.runtime.remove_sandbox(sandbox.id)
    left = [path for name in ("containers", "sandboxes") for path in (harness.directory / "state" / name).iterdir()]
    assert left == []


async def test_mounts_travel_between_containers_that_share_them(harness: Harness, tmp_path: Path) -> None:
    if ROOTLESS:
        pytest.skip("mounting takes a privileged container, and that the host's own root")
    (tmp_path / "in").mkdir()
    privileged = SecurityContext(privileged=True)
    master = await harness.run(SHELL, mounts=(Mount(tmp_path, "/shared", propagation="shared"),), security=privileged)
    follower = await harness.run(SHELL, mounts=(Mount(tmp_path, "/shared", propagation="slave"),), security=privileged)
    private = await harness.run(SHELL, mounts=(Mount(tmp_path, "/shared"),), security=privileged)
    mounted = await harness.output(master, "sh", "-c", "mount -t tmpfs tmpfs /shared/in && echo x > /shared/in/file")
    assert mounted[0] == 0, mounted
    seen = [(await harness.output(each, "ls", "/shared/in"))[1] for each in (master, follower, private)]
    assert seen == ["file\n", "file\n", ""]
    await harness.output(
        follower, "sh", "-c", "mkdir /shared/own && mount -t tmpfs tmpfs /shared/own && > /shared/own/x"
    )
    assert (await harness.output(master, "ls", "/shared/own"))[1] == ""
    assert list((tmp_path / "in").iterdir()) == []  # the host does not see what the node mounts
    await harness.output(master, "umount", "/shared/in")


async def test_the_default_profile_refuses_what_reaches_beyond_a_container(harness: Harness) -> None:
    state = ("sh", "-c", "grep '^Seccomp:' /proc/self/status | tr -d '\\t'; unshare -U true && echo unshared")
    confined = await harness.run(SHELL, security=SecurityContext(seccomp="RuntimeDefault"))
    free = await harness.run(SHELL)
    code, out, error = await harness.output(confined, *state)
    assert (code, out) == (1, "Seccomp:2\n")
    assert "Operation not permitted" in error
    assert (await harness.output(free, *state))[1].startswith("Seccomp:0\n")
    hardened = SecurityContext(seccomp="RuntimeDefault", run_as_user=0, allow_privilege_escalation=False)
    assert (await harness.output(await harness.run(SHELL, security=hardened), "sh", "-c", "echo | cat"))[0] == 0
