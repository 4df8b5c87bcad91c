"""What only a Docker engine can show: its logs and streams, things removed behind our back, engines that die."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
from archives import NAME
from harness import TIMEOUT, Harness, collect_exits

from agent.network.node import NodeNetwork
from agent.network.pods import RoutedPodNetwork
from agent.runtime.docker.engine import Engine
from agent.runtime.docker.runtime import DockerRuntime
from agent.runtime.protocol import ContainerState, ImageFault, Mount, Resources, RuntimeFault, SecurityContext
from minikube_py.linux.namespaces import NetnsThread
from minikube_py.linux.netlink import Netlink
from tests.support.registry import Registry, pull_secret

FOREVER = ()


@pytest.fixture
def harness(docker_runtime: Harness) -> Harness:
    return docker_runtime


@pytest.fixture
async def api(engine: Any) -> Any:
    client = Engine(engine.socket)
    client.open()
    yield client
    await client.close()


def _again(harness: Harness, engine: Any) -> DockerRuntime:
    node = harness.runtime._own["minik.node"]  # type: ignore[attr-defined]
    return DockerRuntime(engine_socket=engine.socket, state_dir=harness.directory / "state", node_name=node)


async def test_the_pods_files_and_environment(harness: Harness) -> None:
    sandbox = await harness.sandbox(
        hostname="web",
        resolv_conf="search a.b c.d\nnameserver 10.96.0.10\noptions ndots:5\n",
        etc_hosts="127.0.0.1 localhost\n10.1.2.3 db db.local\n",
        sysctls={"net.ipv4.ip_local_port_range": "40000 50000"},
    )
    container = await harness.run(FOREVER, sandbox=sandbox.id, env={"COLOR": "blue"})
    _, out, _ = await harness.output(container, "sh", "-c", "hostname; echo $COLOR $FROM $PWD; cat /etc/resolv.conf")
    assert out.startswith("web\nblue image /own\n")
    assert "nameserver 10.96.0.10" in out
    assert "search a.b c.d" in out
    assert "options ndots:5" in out
    sysctl = (await harness.output(container, "cat", "/proc/sys/net/ipv4/ip_local_port_range"))[1]
    assert sysctl.split() == ["40000", "50000"]


async def test_logs_are_cri_lines_with_the_engines_stamps(harness: Harness) -> None:
    path = harness.directory / "app.log"
    container = await harness.run(("sh", "-c", "echo one; echo two >&2; printf three"), log_path=path)
    for word in ("one", "two", "three"):
        text = await harness.log(container, word)
    entries = [line.split(" ", 3) for line in text.splitlines()]
    assert {(stream, text) for _, stream, _, text in entries} == {
        ("stdout", "one"),
        ("stderr", "two"),
        ("stdout", "three"),
    }
    assert all(stamp.endswith("Z") for stamp, *_ in entries)


async def test_streams(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    result = await harness.output(container, "sh", "-c", "cat; echo bad >&2; exit 7", stdin=b"hello")
    assert result == (7, "hello", "bad\n")
    code, out, _ = await harness.output(container, "head", "-c", "2000000", "/dev/zero")
    assert (code, len(out)) == (0, 2_000_000)


async def test_a_terminal(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    streams = await harness.runtime.exec(container, ["sh"], tty=True, stdin=True)
    await streams.resize(101, 37)
    await streams.write_stdin(b"stty size; exit 5\n")
    async with asyncio.timeout(TIMEOUT):
        assert await streams.wait() == 5
        assert b"37 101" in await streams.stdout.read()
    await streams.close()


async def test_a_client_that_leaves_ends_its_command(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    streams = await harness.runtime.exec(container, ["sleep", "1000"])
    await streams.close()
    async with asyncio.timeout(TIMEOUT):
        while "sleep" in (await harness.output(container, "sh", "-c", "cat /proc/[0-9]*/comm"))[1]:
            pass


async def test_attach(harness: Harness) -> None:
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


async def test_mounts_users_and_capabilities(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o777)
    (tmp_path / "data").chmod(0o777)
    security = SecurityContext(run_as_user=1234, run_as_group=5, supplemental_groups=(77,), read_only_root=True,
                               allow_privilege_escalation=False, drop_capabilities=("ALL",))  # fmt: skip
    container = await harness.run(FOREVER, mounts=(Mount(tmp_path / "data", "/data"),), security=security)
    code, out, error = await harness.output(container, "sh", "-c", "id -u; id -G; touch /data/x; touch /x")
    assert out.split() == ["1234", "5", "77"]
    assert code != 0
    assert "Read-only" in error
    assert (tmp_path / "data" / "x").stat().st_uid == 1234
    assert "NoNewPrivs:\t1" in (await harness.output(container, "cat", "/proc/self/status"))[1]


async def test_too_much_memory(harness: Harness) -> None:
    container = await harness.run(("tail", "/dev/zero"), resources=Resources(memory_limit_bytes=16 << 20))
    status = await harness.exited(container)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


@pytest.mark.parametrize("share", [True, False])
async def test_sharing_the_process_namespace(harness: Harness, share: bool) -> None:
    sandbox = await harness.sandbox(share_process_namespace=share)
    await harness.run(("tail", "-f", "/dev/null"), sandbox=sandbox.id, name="one")
    second = await harness.run(FOREVER, sandbox=sandbox.id, name="two")
    out = (await harness.output(second, "sh", "-c", "cat /proc/[0-9]*/comm"))[1]
    assert ("tail" in out) is share


async def test_host_networking_is_the_nodes_own(harness: Harness) -> None:
    own = os.readlink("/proc/self/ns/net")
    sandbox = await harness.sandbox(host_network=True, resolv_conf="nameserver 192.0.2.1\n")
    assert sandbox.netns_path == ""
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    assert (await harness.output(container, "ls", "-l", "/proc/self/ns/net"))[1].split()[-1] == own
    assert (await harness.output(container, "cat", "/etc/resolv.conf"))[1] == "nameserver 192.0.2.1\n"
    second = await harness.sandbox(host_network=True)
    await harness.run(FOREVER, sandbox=second.id)
    anchors = [f"{name}={value}" for name, value in {**harness.runtime._own, "minik.kind": "anchor"}.items()]  # type: ignore[attr-defined]
    api: Engine = harness.runtime._engine  # type: ignore[attr-defined]
    found = await api.get("/containers/json", all=True, filters={"label": anchors})
    assert len(found) == 1, "all pods of the node share one"
    await api.delete(f"/containers/{found[0]['Id']}", force=True)


async def test_images_that_somebody_has_removed_are_made_again(harness: Harness) -> None:
    api: Engine = harness.runtime._engine  # type: ignore[attr-defined]
    await api.delete("/images/minik.local/pause:1", force=True)
    assert (await harness.sandbox()).ready


async def test_the_shared_network_path_wires_it(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    node = NodeNetwork(("192.168.230.11",), ("10.244.1.0/24",), ())
    with NetnsThread() as thread:

        class Node(RoutedPodNetwork):
            def _start(self) -> None:
                thread.run(super()._start)

        def own_address() -> None:
            with Netlink() as netlink:
                netlink.link_up("lo")
                netlink.addr_add("lo", "192.168.230.11/32")

        thread.run(own_address)
        network = Node(node=node, state_dir=harness.directory)
        await network.start()
        addresses = await network.attach(sandbox.netns_path, sandbox.uid)
        assert addresses.ips[0] in (await harness.output(container, "cat", "/proc/net/fib_trie"))[1]
        await network.detach(sandbox.uid)
        await network.stop()


async def test_an_agent_that_comes_back_adopts_and_completes_the_log(harness: Harness, engine: Any) -> None:
    path = harness.directory / "app.log"
    script = "echo first; while [ ! -e /own/go ]; do sleep 0.05; done; echo last; exit 9"
    sandbox = await harness.sandbox()
    container = await harness.run(("sh", "-c", script), sandbox=sandbox.id, log_path=path)
    await harness.log(container, "first")
    before = await harness.status(container)
    await harness.runtime.stop()
    again = _again(harness, engine)
    await again.start()
    other = Harness(again, NAME, harness.directory)
    assert await other.status(container) == before
    assert [each.id for each in await again.list_sandboxes()] == [sandbox.id]
    await other.output(container, "touch", "/own/go")
    assert (await other.exited(container)).exit_code == 9
    texts = [line.split(" ", 3)[3] for line in path.read_text().splitlines()]
    assert texts == ["first", "last"]
    await again.remove_sandbox(sandbox.id)
    await again.stop()
    await harness.runtime.start()


async def test_what_is_removed_behind_our_back_is_told(harness: Harness, api: Engine) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    events = harness.runtime.events()
    await api.delete(f"/containers/{container}", force=True)
    await api.post(f"/containers/{sandbox.id}/kill")
    seen = await collect_exits(events, 2)
    assert {(event.container_id, event.state) for event in seen} == {
        (container, ContainerState.EXITED), ("", ContainerState.EXITED),
    }  # fmt: skip
    assert await harness.runtime.list_containers() == []
    assert not (await harness.runtime.list_sandboxes())[0].ready


async def test_the_death_of_the_engine_is_survived(harness: Harness, engine: Any) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    pid = (await harness.status(container)).pid
    assert pid is not None
    events = harness.runtime.events()
    await asyncio.to_thread(engine.stop, signal.SIGKILL)
    with pytest.raises(RuntimeFault) as raised:
        await harness.runtime.list_containers()
    assert raised.value.reason == "RuntimeUnavailable"
    await asyncio.to_thread(engine.start)
    told = await collect_exits(events, 2)  # an engine without live restore ends its containers
    assert {(event.container_id, event.state) for event in told} == {
        (container, ContainerState.EXITED), ("", ContainerState.EXITED),
    }  # fmt: skip
    assert not os.path.exists(f"/proc/{pid}")  # noqa: ASYNC240
    assert (await harness.output(await harness.run(FOREVER), "true"))[0] == 0


async def test_nothing_is_left_when_all_is_removed(harness: Harness, api: Engine) -> None:
    sandbox = await harness.sandbox()
    await harness.run(FOREVER, sandbox=sandbox.id)
    await harness.runtime.remove_sandbox(sandbox.id)
    own = [f"{name}={value}" for name, value in harness.runtime._own.items()]  # type: ignore[attr-defined]
    assert await api.get("/containers/json", all=True, filters={"label": own}) == []
    assert list((harness.directory / "state" / "docker").iterdir()) == []


async def test_the_built_in_images(harness: Harness) -> None:
    pod = {"metadata": {"name": "web", "namespace": "shop"},
           "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 9376}]}]}}  # fmt: skip
    sandbox = await harness.sandbox()
    await harness.runtime.images.ensure("minik.local/echo", pull_policy="Always")
    log = harness.directory / "log"
    container = await harness.run((), sandbox=sandbox.id, image="minik.local/echo", pod=pod, log_path=log)
    assert "listening on tcp 9376" in await harness.log(container, "listening")
    reader, writer = await harness.runtime.port_forward(sandbox.id, 9376)
    writer.write(b"GET /index.json HTTP/1.0\r\n\r\n")
    told = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    assert (told["pod"], told["namespace"]) == ("web", "shop")
    assert "MINIK_ECHO" not in told["env"]
    assert "Read-only" in (await harness.output(container, "touch", "/usr/bin/x"))[2]
    await harness.runtime.stop_container(container, grace_seconds=10)
    assert (await harness.status(container)).exit_code == 0
    shell = await harness.exited(await harness.run(("sh", "-c", "exit 3"), image="minik.local/host"))
    assert shell.exit_code == 3


async def test_pulls(harness: Harness, tmp_path: Path) -> None:
    """Users, digests, refusals."""
    registry = Registry(tmp_path, restricted=True)
    await asyncio.to_thread(registry.start)
    images, name = harness.runtime.images, f"{registry.address}/private/own:1"
    try:
        digest = await asyncio.to_thread(registry.push, "private/own:1", [pull_layer()], {"Cmd": ["/pause"]})
        for secrets in ([], [pull_secret(registry, "wrong")]):
            with pytest.raises(ImageFault, match=r"no basic auth|unauthorized|authentication required"):
                await images.ensure(name, pull_policy="IfNotPresent", pull_secrets=secrets)
        secrets = [pull_secret(registry, "wrong"), pull_secret(registry)]
        found = await images.ensure(name, pull_policy="IfNotPresent", pull_secrets=secrets)
        for others, allowed in ((secrets, True), ([], False), (secrets[:1], False)):
            assert await images.accessible(name, others) is allowed
        by_digest = f"{registry.address}/private/own@{digest}"
        assert (await images.ensure(by_digest, pull_policy="Always", pull_secrets=secrets)).id == found.id
        for absent in (f"{name}0", f"{registry.address}/private/own@sha256:{'0' * 64}"):
            with pytest.raises(ImageFault, match=r"not found|unknown") as missing:
                await images.ensure(absent, pull_policy="IfNotPresent", pull_secrets=secrets)
            assert missing.value.reason == "ErrImagePull"
        await images.remove(found.id)
        with pytest.raises(ImageFault, match="Never"):
            await images.ensure(name, pull_policy="Never")
    finally:
        registry.stop()
    with pytest.raises(ImageFault, match="refused"):
        await images.ensure(name, pull_policy="Always", pull_secrets=secrets)


def pull_layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"text"))
    return buffer.getvalue()


async def test_archives_that_are_none(harness: Harness) -> None:
    async def nonsense() -> Any:
        yield b"nonsense"

    with pytest.raises((ImageFault, RuntimeFault)):
        await harness.runtime.images.load(nonsense())  # type: ignore[attr-defined]


async def test_no_engine_is_said_at_the_start(tmp_path: Path) -> None:
    runtime = DockerRuntime(engine_socket=tmp_path / "none.sock", state_dir=tmp_path, node_name="n")
    with pytest.raises(RuntimeFault, match="Docker engine does not answer"):
        await runtime.start()


async def test_the_files_of_an_image(harness: Harness, engine: Any) -> None:
    """For image volumes; what was loaded by hand is not asked for again, and the files go with the image."""
    images = harness.runtime.images
    for _ in range(2):
        root = await images.directory(NAME, pull_policy="Always")
        assert (root / "bin").is_dir()
    found = await images.ensure(NAME, pull_policy="Never")
    await images.remove(found.id)
    assert not root.exists()
    with pytest.raises(ImageFault, match="no files"):
        await images.directory("minik.local/host", pull_policy="Never")


async def test_seccomp_as_the_pod_asks(harness: Harness) -> None:
    """An engine filters by default, Kubernetes does not."""
    for profile, mode in (("Unconfined", "0"), ("RuntimeDefault", "2")):
        container = await harness.run(FOREVER, security=SecurityContext(seccomp=profile))
        _, out, _ = await harness.output(container, "cat", "/proc/self/status")
        assert f"Seccomp:\t{mode}\n" in out


async def test_limits_that_come_and_go(harness: Harness, api: Engine) -> None:
    """Fewer thousandths than the kernel takes, more processors than the machine has, none at all."""
    container = await harness.run(FOREVER, resources=Resources(cpu_limit_millis=5, memory_limit_bytes=64 << 20))
    for resources in (Resources(cpu_limit_millis=500_000), Resources(memory_limit_bytes=32 << 20), Resources()):
        await harness.runtime.update_resources(container, resources)
        told = (await api.get(f"/containers/{container}/json"))["HostConfig"]
        assert told["CpuQuota"] == ((resources.cpu_limit_millis or 0) * 100 or -1)
        assert told["Memory"] == (resources.memory_limit_bytes or (1 << 63) - 4096)
