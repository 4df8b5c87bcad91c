"""Each kind of probe against a real listener on loopback, and the words of its failures."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.pods.observation import ProbeResult
from agent.pods.probes.check import Answer, Target, check
from agent.runtime.simulated import SimulatedRuntime
from minikube_py.aio.clock import SystemClock

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK, NO = ProbeResult.SUCCESS, ProbeResult.FAILURE


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    handlers = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        try:
            await handler(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        if handlers:
            await asyncio.wait(handlers, timeout=2)


async def ask(probe: dict[str, Any], spec: dict[str, Any] | None = None) -> Answer:
    target = Target("id", spec or {"name": "app"}, "127.0.0.1")
    return await check(probe, target, SimulatedRuntime(clock=SystemClock()), SystemClock())


def replying(answer: bytes, seen: list[bytes] | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(answer)

    return handle


@pytest.mark.parametrize(
    ("status", "result"), [(200, OK), (204, OK), (399, OK), (400, NO), (404, NO), (500, NO), (199, NO)]
)
async def test_http_succeeds_from_200_to_399(status: int, result: ProbeResult) -> None:
    async with listening(replying(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)) as port:
        answer = await ask({"httpGet": {"port": port}})
        assert answer.result is result
        if result is NO:
            assert answer.output == f"HTTP probe failed with statuscode: {status}"


async def test_http_sends_the_probes_headers_and_finds_named_ports() -> None:
    seen: list[bytes] = []
    async with listening(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", seen)) as port:
        spec = {"name": "app", "ports": [{"name": "web", "containerPort": port}]}
        headers = [{"name": "Host", "value": "example.org"}, {"name": "X-Test", "value": "yes"}]
        answer = await ask({"httpGet": {"port": "web", "path": "/healthz?x=1", "httpHeaders": headers}}, spec)
    assert answer.result is OK
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /healthz?x=1 HTTP/1.1"
    assert {"Host: example.org", "X-Test: yes", "User-Agent: kube-probe/1.37"} <= set(lines)


async def test_http_follows_redirects_on_its_host_only() -> None:
    async with listening(replying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")) as other:
        away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/x\r\nContent-Length: 0\r\n\r\n" % other
        async with listening(replying(away)) as port:
            assert (await ask({"httpGet": {"port": port}})).result is NO
    foreign = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"
    async with listening(replying(foreign)) as port:
        answer = await ask({"httpGet": {"port": port}})
        assert (answer.result, answer.warning) == (OK, True)


async def test_http_loops_end() -> None:
    async with listening(replying(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")) as port:
        assert "stopped after 10 redirects" in (await ask({"httpGet": {"port": port}})).output


async def test_http_reads_chunked_bodies_and_no_endless_ones() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with listening(endless) as port:
        answer = await ask({"httpGet": {"port": port}})
        assert answer.result is OK
        assert len(answer.output) == 10 * 1024


async def test_a_peer_that_hangs_is_a_failure_after_the_timeout() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(hang) as port:
        answer = await ask({"httpGet": {"port": port}, "timeoutSeconds": 0.05})
        assert answer.result is NO
        assert "context deadline exceeded" in answer.output


@pytest.mark.parametrize("junk", [b"", b"\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x16\x03\x01"])
async def test_a_peer_that_talks_nonsense_is_a_failure(junk: bytes) -> None:
    async with listening(replying(junk)) as port:
        assert (await ask({"httpGet": {"port": port}})).result is NO


async def test_refused_connections_read_as_go_words_them(unused_tcp_port: int) -> None:
    port = unused_tcp_port
    text = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert (await ask({"tcpSocket": {"port": port}})).output == text
    assert (await ask({"httpGet": {"port": port, "path": "/x"}})).output == f'Get "http://127.0.0.1:{port}/x": {text}'


async def test_tcp_succeeds_when_somebody_accepts() -> None:
    async def accept(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        return

    async with listening(accept) as port:
        assert (await ask({"tcpSocket": {"port": port}})).result is OK


async def test_an_unknown_port_name_cannot_be_asked() -> None:
    assert (await ask({"tcpSocket": {"port": "nope"}})).result is ProbeResult.UNKNOWN


def health_server(status: int | None) -> Handler:
    """Answers one health check over HTTP/2: settings, a ping in between, headers, data, trailers."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        writer.write(_frame(4, 0, 0, b"") + _frame(6, 0, 0, b"12345678"))
        while True:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == 0:
                break
        if status is None:
            writer.write(_frame(1, 0x5, 1, b"\x88"))
            return
        message = b"\x08" + bytes((status,))
        writer.write(_frame(1, 0x4, 1, b"\x88") + _frame(0, 0, 1, b"\0" + struct.pack(">I", 2) + message))
        writer.write(_frame(1, 0x5, 1, b"\x88"))

    return handle


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("status", "result", "text"),
    [
        (1, OK, "service healthy"),
        (2, NO, 'service unhealthy (responded with "NOT_SERVING")'),
        (None, NO, "the call ended without a health status"),
    ],
)
async def test_grpc_health(status: int | None, result: ProbeResult, text: str) -> None:
    async with listening(health_server(status)) as port:
        answer = await ask({"grpc": {"port": port, "service": "x"}})
        assert answer.result is result
        assert text in answer.output


async def test_grpc_against_something_else_is_a_failure() -> None:
    async with listening(replying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert (await ask({"grpc": {"port": port}})).result is NO
