"""Upgraded connections: the request is replayed to the other end, and from its answer on bytes are copied both ways.

WebSocket and SPDY alike: whoever is at the other end speaks the protocol, this server only carries it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable

from aiohttp import web

from apiserver.routes.connection import Connection, connection_of
from apiserver.routes.responses import Answer, Written, as_response, send
from apiserver.routes.streaming.locations import Endpoint
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import ServiceUnavailable

_PIECE = 64 * 1024
#: What may wait for a slow far end before the near end is no longer read.
_HIGH_WATER = 256 * 1024
_DIAL_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
#: Headers that speak of the near connection, or of who asks.
_NOT_REPLAYED = frozenset({"host", "authorization", "content-length", "transfer-encoding"})


def wants_upgrade(request: web.BaseRequest) -> bool:
    """Whether the client asks to leave HTTP."""
    return "upgrade" in request.headers.get("Connection", "").lower() and "Upgrade" in request.headers


def replayed_request(request: web.BaseRequest, endpoint: Endpoint, path: str) -> bytes:
    """The client's request as the far end is to see it."""
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {endpoint.authority}"]
    lines += [f"{name}: {value}" for name, value in _kept(request.headers.items())]
    if request.method != "GET":
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _kept(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        if name.lower() not in _NOT_REPLAYED and not name.lower().startswith("impersonate-"):
            yield name, value


async def tunnel(
    request: web.BaseRequest, endpoint: Endpoint, path: str, context: ssl.SSLContext | None
) -> web.StreamResponse:
    """Carry one upgraded connection until either end closes. Raises ServiceUnavailable where nobody answers."""
    connection = connection_of(request)
    near, pumps = _take_over(connection), TaskSet("tunnel")
    try:
        reader, writer = await dial(endpoint, context)
        try:
            writer.write(replayed_request(request, endpoint, path))
            head = await _read_head(reader)
            status = int(head.split(b" ", 2)[1])
            if status != 101:
                return await send(request, Answer(status, await _refusal_body(reader, head), _content_type(head)))
            if connection.recorder is not None:
                connection.recorder.began(status)
            pumps.spawn(_pump(near, writer), name=path.partition("?")[0])
            await _carry(connection, reader, head)
        finally:
            writer.close()
    finally:
        connection.tunnel = None
        await pumps.close()
    return as_response(Written(keep_alive=False))


async def dial(endpoint: Endpoint, context: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect. Raises ServiceUnavailable."""
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            name = endpoint.host if context is not None else None
            return await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context, server_hostname=name)
    except (OSError, ssl.SSLError, TimeoutError) as error:
        raise ServiceUnavailable(f"error dialing backend {endpoint.authority}: {error or 'timeout'}") from None


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError) as error:
        raise ServiceUnavailable(f"error reading the backend's answer: {error or 'timeout'}") from None


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def _content_type(head: bytes) -> bytes:
    return _header(head, b"content-type") or b"text/plain"


async def _refusal_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    length = _header(head, b"content-length")
    if not length.isdigit():
        return b""
    async with asyncio.timeout(_ANSWER_SECONDS):
        return await reader.readexactly(min(int(length), _PIECE))


async def _carry(connection: Connection, reader: asyncio.StreamReader, head: bytes) -> None:
    """From the far end to the near one, at the near one's pace."""
    data = head
    while data and connection.transport is not None:
        connection.transport.write(data)
        await connection.drained()
        data = await reader.read(_PIECE)


def _take_over(connection: Connection) -> asyncio.StreamReader:
    """The client's bytes, off the HTTP parser; a reader that stops the client when nobody reads."""
    near = asyncio.StreamReader(limit=_HIGH_WATER)
    if connection.transport is not None:
        near.set_transport(connection.transport)
    near.feed_data(connection.take_buffered())

    def feed(data: bytes) -> None:
        if data:
            near.feed_data(data)
        else:
            near.feed_eof()

    connection.tunnel = feed
    return near


async def _pump(near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """From the near end to the far one, at the far one's pace. The far end is closed with the near one."""
    try:
        while data := await near.read(_PIECE):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
