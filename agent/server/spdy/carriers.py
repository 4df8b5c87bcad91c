"""What carries SPDY: the connection itself after ``101 Switching Protocols``, or a WebSocket (KEP-4006)."""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import WSMsgType, web

from agent.server.streams.channels import ClientGone

_HIGH_WATER = 256 * 1024


class WebSocketCarrier:
    """SPDY's bytes in binary messages."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        try:
            await self._socket.send_bytes(data)
        except (ConnectionError, RuntimeError) as error:
            raise ClientGone(str(error)) from error

    async def close(self) -> None:
        await self._socket.close()


class HijackedConnection:
    """A connection taken from the HTTP server: it is aiohttp's payload parser from then on, so it gets every byte."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._paused = False
        self._changed = asyncio.Event()

    async def upgrade(self, headers: dict[str, str]) -> web.StreamResponse:
        """Answer 101 with ``headers`` and take the connection over."""
        response = web.StreamResponse(status=101, headers={"Connection": "Upgrade", **headers})
        response.force_close()
        # The client sends nothing before it has seen the answer: no byte is lost to the HTTP parser.
        self._request.protocol.set_parser(self)  # type: ignore[arg-type]
        writer = await response.prepare(self._request)
        if writer is not None:
            writer.send_headers()
        return response

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """For aiohttp: bytes have come."""
        self._chunks.append(bytes(data))
        self._size += len(data)
        if self._size > _HIGH_WATER and not self._paused and self._request.transport is not None:
            self._paused = True
            self._request.transport.pause_reading()
        self._changed.set()
        return False, b""

    def feed_eof(self) -> None:
        """For aiohttp: the client is gone."""
        self._ended = True
        self._changed.set()

    async def read(self) -> bytes:
        while not self._chunks and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._paused and self._request.transport is not None:
            self._paused = False
            self._request.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ClientGone("the connection is closed")
        transport.write(data)
        try:
            await self._request.protocol._drain_helper()
        except ConnectionError as error:
            raise ClientGone(str(error)) from error

    async def close(self) -> None:
        transport = self._request.transport
        if transport is not None:
            transport.close()
