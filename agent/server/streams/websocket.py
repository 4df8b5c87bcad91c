"""Channels over WebSocket: every binary message begins with the number of its channel.

``v5.channel.k8s.io`` adds message 255: its second byte names a channel that the client has closed (stdin's end).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

from agent.server.streams.channels import ClientGone, Input

SUBPROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_CLOSE = 255


class WebSocketChannels:
    """One accepted WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def inputs(self) -> AsyncIterator[Input]:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                data = message.data.encode()
            elif message.type is WSMsgType.BINARY:
                data = message.data
            else:
                return
            if not data:
                continue
            if data[0] == _CLOSE and len(data) > 1:
                yield Input(data[1], None)
            else:
                yield Input(data[0], data[1:])

    async def send(self, channel: int, data: bytes) -> None:
        try:
            await self._socket.send_bytes(bytes((channel,)) + data)
        except (ConnectionError, RuntimeError) as error:
            raise ClientGone(str(error)) from error

    async def close(self) -> None:
        await self._socket.close()


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
