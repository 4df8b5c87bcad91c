"""Channels over WebSocket: every binary message begins with the number of its channel.

``v5.channel.k8s.io`` adds message 255: its second byte names a channel that the client has closed (stdin's end). The
protocols without a version are the first ones: they tell a failure as plain text, and success by nothing. In the base64
ones messages are text, with the channel as a digit.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator

import orjson
from aiohttp import WSMsgType, web

from agent.server.streams.channels import ERROR, ClientGone, Input

SUBPROTOCOLS = (
    "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io",
)  # fmt: skip
_CLOSE = 255


class WebSocketChannels:
    """One accepted WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        protocol = socket.ws_protocol or ""
        self._base64 = "base64." in protocol
        self._plain_errors = protocol in ("channel.k8s.io", "base64.channel.k8s.io")

    async def inputs(self) -> AsyncIterator[Input]:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                data = message.data.encode()
            elif message.type is WSMsgType.BINARY:
                data = message.data
            else:
                return
            data = _decoded(data) if self._base64 else data
            if not data:
                continue
            if data[0] == _CLOSE and len(data) > 1:
                yield Input(data[1], None)
            else:
                yield Input(data[0], data[1:])

    async def send(self, channel: int, data: bytes) -> None:
        if self._plain_errors and channel == ERROR:
            data = _plain(data)
        try:
            if self._base64:
                await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._socket.send_bytes(bytes((channel,)) + data)
        except (ConnectionError, RuntimeError) as error:
            raise ClientGone(str(error)) from error

    async def close(self) -> None:
        await self._socket.close()


def _decoded(data: bytes) -> bytes:
    """A message of a base64 protocol as one of the binary protocol; b"" for what is neither."""
    try:
        return bytes((data[0] - ord("0"),)) + base64.b64decode(data[1:], validate=True)
    except (binascii.Error, IndexError, ValueError):
        return b""


def _plain(status: bytes) -> bytes:
    """What a client of the first protocols is told of a Status."""
    if not status:
        return b""
    told = orjson.loads(status)
    return b"" if told.get("status") == "Success" else str(told.get("message", "")).encode()


async def accept(request: web.Request, subprotocols: tuple[str, ...]) -> web.WebSocketResponse:
    """Answer the handshake. Raises HTTPForbidden where the client offers only protocols that are not spoken here."""
    offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
    if offered and not set(offered) & set(subprotocols):
        raise web.HTTPForbidden(text=f"unable to upgrade: unable to negotiate protocol: client supports {offered}")
    socket = web.WebSocketResponse(protocols=subprotocols, autoping=True, max_msg_size=0, compress=False)
    await socket.prepare(request)
    return socket


def is_websocket(request: web.Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"
