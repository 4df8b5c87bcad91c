"""A stream of bytes as WebSocket messages, for clients that ask for a log with an upgrade (``wsstream.Reader``)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

from aiohttp import web

from apiserver.routes.connection import connection_of

_BINARY = "binary.k8s.io"
_BASE64 = "base64.binary.k8s.io"


def wants_messages(request: web.BaseRequest) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def send_messages(request: web.BaseRequest, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Each piece is a message, after an empty one by which clients know that the stream has begun."""
    socket = web.WebSocketResponse(protocols=(_BINARY, _BASE64), compress=False)
    await socket.prepare(request)
    recorder = connection_of(request).recorder
    if recorder is not None:
        recorder.began(101)
    coded = socket.ws_protocol == _BASE64

    async def send(data: bytes) -> None:
        await (socket.send_str(base64.b64encode(data).decode()) if coded else socket.send_bytes(data))

    await send(b"")
    async for piece in pieces:
        await send(piece)
    await socket.close()
    return socket
