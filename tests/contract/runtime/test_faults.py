"""Fault first: hostile and dying agents, deaf clients, full disks, servers that stop under load."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from harness import FOREVER, TIMEOUT, Harness

from agent.runtime.process import wire
from agent.runtime.protocol import Mount, RuntimeFault


@pytest.fixture
def harness(process_runtime: Harness) -> Harness:
    return process_runtime


def _connect(machine: Any) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.settimeout(TIMEOUT)
    channel.connect(str(machine.socket))
    return channel


REQUESTS: list[dict[str, Any]] = [
    {},
    {"op": None},
    {"op": "hello", "id": {"deep": [1]}},
    {"op": "_handle"},
    {"op": "sandbox_run"},
    {"op": "sandbox_run", "sandbox": {"id": "../../x", "namespace": "", "name": "", "uid": "u", "hostname": "h",
                                      "created_at": ""}},
    {"op": "sandbox_run", "sandbox": {"id": 7, "namespace": 7, "name": 7, "uid": 7, "hostname": 7, "created_at": 7}},
    {"op": "sandbox_stop"},
    {"op": "container_create", "container": {"id": "x"}},
    {"op": "container_start", "container_id": ["list"]},
    {"op": "container_signal", "container_id": None, "signal": "x"},
    {"op": "exec", "exec": {"container_id": "x", "argv": 7}},
    {"op": "exec_kill", "exec_id": "x"},
    {"op": "attach"},
    {"op": "usage", "extra": "x" * 100_000},
]  # fmt: skip


async def test_no_request_ends_the_machine(machine: Any, harness: Harness) -> None:
    with _connect(machine) as channel:
        for request in REQUESTS:
            wire.send(channel, request)
            answer, _ = await asyncio.to_thread(wire.receive, channel)
            assert {"ok", "fault"} & set(answer), request
    assert await harness.runtime.list_containers() == []
    assert not (harness.directory / "x").exists()


async def test_no_bytes_end_the_machine(machine: Any, harness: Harness) -> None:
    for data in (b"nonsense", b"[]", b"memfd", b"\xff" * 5000, b"{", b"null"):
        with _connect(machine) as channel:
            channel.send(data)
            assert await asyncio.to_thread(channel.recv, 100) == b""
    assert await harness.runtime.list_containers() == []


async def test_an_agent_that_never_reads_holds_nobody_up(machine: Any, harness: Harness) -> None:
    with _connect(machine) as channel:
        channel.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for number in range(5000):
                wire.send(channel, {"id": number, "op": "list_containers"})
        container = await harness.run(FOREVER)
        assert (await harness.output(container, "true"))[0] == 0


async def test_commands_die_with_their_agent(machine: Any, harness: Harness) -> None:
    container = await harness.run(FOREVER)
    other = machine.runtime()
    await other.start()
    await other.exec(container, ["sleep", "1000"])
    await other.stop()
    async with asyncio.timeout(TIMEOUT):
        while "sleep" in (await harness.output(container, "sh", "-c", "cat /proc/[0-9]*/comm"))[1]:
            pass


async def test_a_client_that_does_not_read_does_not_hold_up_the_container(harness: Harness) -> None:
    path = harness.directory / "log"
    flood = "head -c 4000000 /dev/zero | tr '\\0' x; echo; echo end; sleep 1000"
    script = f"while [ ! -e /tmp/go ]; do sleep 0.02; done; {flood}"
    container = await harness.run(("sh", "-c", script), log_path=path)
    deaf = await harness.runtime.attach(container)
    await harness.output(container, "touch", "/tmp/go")
    assert "end" in await harness.log(container, "stdout F end")
    await deaf.close()


async def test_a_slow_reader_of_a_command_gets_everything(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    streams = await harness.runtime.exec(container, ["head", "-c", "2000000", "/dev/zero"])
    received = 0
    async with asyncio.timeout(TIMEOUT):
        while data := await streams.stdout.read(50_000):
            received += len(data)
            await asyncio.sleep(0.001)
        assert (received, await streams.wait()) == (2_000_000, 0)
    await streams.close()


async def test_input_that_nobody_reads_does_not_block_closing(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    streams = await harness.runtime.exec(container, ["sleep", "1000"], stdin=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(streams.write_stdin(b"x" * 1_000_000), 0.1)
    async with asyncio.timeout(TIMEOUT):
        await streams.close()


async def test_a_stray_child_does_not_keep_a_command_open(harness: Harness) -> None:
    container = await harness.run(FOREVER)
    code, out, _ = await harness.output(container, "sh", "-c", "sleep 1000 & echo started")
    assert (code, out) == (0, "started\n")


async def test_a_cancelled_creation_leaves_nothing(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    for delay in (0, 0.0005, 0.002):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(harness.runtime.create_container(sandbox.id, harness.spec()), delay)
    async with asyncio.timeout(TIMEOUT):
        while left := [each for each in await harness.runtime.list_containers() if each.attempt]:
            assert left
    await harness.runtime.remove_sandbox(sandbox.id)
    assert await harness.runtime.list_containers() == []


async def test_a_cancelled_removal_is_finished(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    made = [await harness.runtime.create_container(sandbox.id, harness.spec(attempt=number)) for number in range(8)]
    for turns, container in enumerate(made, 1):
        removal = asyncio.ensure_future(harness.runtime.remove_container(container))
        for _ in range(turns):
            await asyncio.sleep(0)
        removal.cancel()
        await asyncio.wait([removal])
    folders = [harness.directory / "state" / "containers" / container for container in made]
    async with asyncio.timeout(TIMEOUT):
        while any(folder.exists() for folder in folders):
            await harness.runtime.list_containers()
    await harness.runtime.remove_sandbox(sandbox.id)


async def test_a_full_disk_for_logs_and_state(harness: Harness) -> None:
    container = await harness.run(("sh", "-c", "while echo x; do sleep 0.01; done"), log_path=Path("/dev/full"))
    assert (await harness.output(container, "true"))[0] == 0
    await harness.runtime.remove_container(container)


async def test_hundreds_of_starts_leave_no_descriptor(machine: Any, harness: Harness) -> None:
    sandbox = await harness.sandbox()
    warm = await harness.run(("true",), sandbox=sandbox.id)
    await harness.exited(warm)
    pid = harness.runtime._client.machine_pid  # type: ignore[attr-defined]
    before = len(os.listdir(f"/proc/{pid}/fd"))
    for _ in range(10):
        ended = [await harness.run(("true",), sandbox=sandbox.id) for _ in range(3)]
        for each in ended:
            await harness.exited(each)
            await harness.runtime.remove_container(each)
        with pytest.raises(RuntimeFault):
            await harness.run(("nothing-like-it",), sandbox=sandbox.id)
        with pytest.raises(RuntimeFault):
            await harness.run(("true",), sandbox=sandbox.id, mounts=(Mount(Path("/nothing"), "/x"),))
    assert len(os.listdir(f"/proc/{pid}/fd")) == before


async def _exchange(harness: Harness, sandbox: str, payload: bytes, generator: random.Random) -> bytes:
    """Sends ``payload`` in random pieces with a half-close, reads everything."""
    reader, writer = await harness.runtime.port_forward(sandbox, 8080)

    async def send() -> None:
        position = 0
        while position < len(payload):
            step = generator.choice((1, 100, 5_000, 100_000))
            writer.write(payload[position : position + step])
            position += step
            await writer.drain()
        writer.write_eof()

    async with asyncio.timeout(TIMEOUT):
        _, answer = await asyncio.gather(send(), reader.read())
    writer.close()
    await writer.wait_closed()
    return bytes(answer)


async def test_the_raw_echo_loses_nothing(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    await harness.run(FOREVER, sandbox=sandbox.id)
    generator = random.Random(5)
    payloads = [b"\x01" + generator.randbytes(generator.choice((0, 1, 70_000, 600_000))) for _ in range(12)]
    answers = await asyncio.gather(*(_exchange(harness, sandbox.id, each, generator) for each in payloads))
    for payload, answer in zip(payloads, answers, strict=True):
        greeting, _, rest = answer.partition(b"\n")
        assert b"client=127.0.0.1" in greeting
        assert hashlib.sha1(rest).digest() == hashlib.sha1(payload).digest()


async def test_a_silent_client_is_greeted_when_it_ends(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    await harness.run(FOREVER, sandbox=sandbox.id)
    answer = await _exchange(harness, sandbox.id, b"", random.Random(1))
    assert answer.startswith(b"tcp ")


async def test_the_echo_finishes_what_is_in_flight(harness: Harness) -> None:
    sandbox = await harness.sandbox()
    container = await harness.run(FOREVER, sandbox=sandbox.id)
    reader, writer = await harness.runtime.port_forward(sandbox.id, 8080)
    idle_reader, idle_writer = await harness.runtime.port_forward(sandbox.id, 8080)
    idle_writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await idle_reader.readuntil(b"\r\n\r\n")
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe")
    await writer.drain()
    await asyncio.sleep(0.1)
    stop = asyncio.get_running_loop().create_task(harness.runtime.stop_container(container, grace_seconds=TIMEOUT))
    async with asyncio.timeout(TIMEOUT):
        await idle_reader.read()
        assert not stop.done()
        writer.write(b"llo")
        answer = await reader.read()
        await stop
    assert b"body: hello" in answer
    assert b"Connection: close" in answer
    assert (await harness.status(container)).exit_code == 0
    for each in (writer, idle_writer):
        each.close()
