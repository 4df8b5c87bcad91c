"""SPDY/3.1 as older kubectls speak it, byte for byte over TLS: exec, and port-forward with many connections."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from agent.runtime.protocol import ContainerStatus, SandboxStatus
from agent.runtime.simulated import ExecResult
from agent.server.spdy.frames import FIN, SYN_STREAM, FrameParser, HeaderCodec, control_frame, data_frame
from tests.integration.agent.test_agent import Running, running
from tests.support.apiserver import client_context

__all__ = ["running"]


class SpdyClient:
    """The client's end: opens streams, and gathers what comes on each until its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received: dict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self._codec = HeaderCodec()
        self._next = 1

    def open(self, **headers: str) -> int:
        number, self._next = self._next, self._next + 2
        payload = number.to_bytes(4, "big") + bytes(6) + self._codec.encode(headers)
        self.writer.write(control_frame(SYN_STREAM, payload))
        return number

    def say(self, stream: int, data: bytes, *, fin: bool = True) -> None:
        self.writer.write(data_frame(stream, data, fin=fin))

    async def until_ended(self, *streams: int) -> None:
        parser = FrameParser()
        async with asyncio.timeout(60):
            while not set(streams) <= self.ended:
                data = await self.reader.read(65536)
                assert data, f"the connection ended; got {dict(self.received)}"
                for frame in parser.feed(data):
                    if frame.kind == 0:
                        self.received[frame.stream] += frame.payload
                        if frame.flags & FIN:
                            self.ended.add(frame.stream)


@asynccontextmanager
async def upgraded(running: Running, path: str, protocol: str) -> AsyncIterator[SpdyClient]:
    host, port = running.agent.server.addresses[0]
    context = client_context(running.api.access_of("kubelet-client", "system:masters"))
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    writer.write(f"{head}X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert f"X-Stream-Protocol-Version: {protocol}".encode() in answer
    try:
        yield SpdyClient(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0.05)


async def test_exec_over_spdy(running: Running) -> None:
    def on_exec(_: ContainerStatus, command: tuple[str, ...], stdin: bytes) -> ExecResult:
        return ExecResult(7, stdout=stdin.upper(), stderr=command[0].encode())

    running.runtime.on_exec = on_exec
    await running.pod()
    path = "/exec/default/web/app?command=shout&input=1&output=1&error=1"
    async with upgraded(running, path, "v4.channel.k8s.io") as client:
        streams = {kind: client.open(streamtype=kind) for kind in ("error", "stdin", "stdout", "stderr")}
        client.say(streams["stdin"], b"x" * 100_000)
        await client.until_ended(streams["stdout"], streams["stderr"], streams["error"])
    assert client.received[streams["stdout"]] == b"X" * 100_000
    assert client.received[streams["stderr"]] == b"shout"
    status = orjson.loads(client.received[streams["error"]])
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_port_forward_over_spdy_carries_connections_side_by_side(running: Running) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()[1]

    async def dial(_: SandboxStatus, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port != 80:
            raise ConnectionRefusedError(111, "Connection refused")
        return await asyncio.open_connection("127.0.0.1", target)

    running.runtime.on_port = dial
    await running.pod()
    async with upgraded(running, "/portForward/default/web", "portforward.k8s.io") as client:
        pairs = []
        for index in range(10):
            port = "81" if index == 9 else "80"
            error = client.open(streamtype="error", port=port, requestid=str(index))
            data = client.open(streamtype="data", port=port, requestid=str(index))
            pairs.append((data, error))
            client.say(data, f"hello {index}".encode())
        await client.until_ended(*(number for pair in pairs for number in pair))
    for index, (data, error) in enumerate(pairs[:9]):
        assert client.received[data] == f"HELLO {index}".encode()
        assert client.received[error] == b""
    assert client.received[pairs[9][1]] == b"error forwarding port 81 to pod web: Connection refused"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("path", ["/exec/default/web/app?command=x&output=1", "/portForward/default/web"])
async def test_protocols_that_are_not_spoken_are_refused(running: Running, path: str, tmp_path: Path) -> None:
    await running.pod()
    with pytest.raises(AssertionError, match="403"):
        async with upgraded(running, path, "v9.channel.k8s.io"):
            pass
