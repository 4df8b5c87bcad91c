"""Watches over WebSocket: each event is a message, for clients that cannot read a stream of lines (browsers).

As ``apiserver/pkg/endpoints/handlers/watch.go`` (``HandleWS``): text messages for JSON, binary ones for protobuf; what
the client sends is read and thrown away, and its closing ends the watch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from aiohttp import WSMessage, web

from apiserver.routes.connection import connection_of
from apiserver.routes.responses import Header

_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82
_LENGTH = struct.Struct(">I")


def message_frame(data: bytes, *, binary: bool) -> bytes:
    """One unfragmented message of a server (RFC 6455, section 5.2)."""
    opcode, size = _FINAL_BINARY if binary else _FINAL_TEXT, len(data)
    if size < 126:
        return bytes((opcode, size)) + data
    if size < 1 << 16:
        return struct.pack(">BBH", opcode, 126, size) + data
    return struct.pack(">BBQ", opcode, 127, size) + data


def events_of(chunk: bytes, *, binary: bool) -> Iterator[bytes]:
    """The events of a piece of a stream: lines of JSON, or messages behind their lengths."""
    if not binary:
        yield from chunk.splitlines(keepends=True)
        return
    while chunk:
        end = _LENGTH.size + _LENGTH.unpack_from(chunk)[0]
        yield chunk[_LENGTH.size : end]
        chunk = chunk[end:]


class MessageStream:
    """A watch's stream as ``ChunkedStream`` is one; ``open`` shakes hands first."""

    def __init__(self, request: web.BaseRequest, *, binary: bool) -> None:
        self._request = request
        self._binary = binary
        self._connection = connection_of(request)
        self._socket = web.WebSocketResponse(compress=False)

    async def open(self) -> None:
        """Become a WebSocket. Raises web.HTTPException for a handshake that is none."""
        await self._socket.prepare(self._request)

    def start(self, content_type: bytes, *, status: int = 101, headers: Sequence[Header] = ()) -> None:
        """The stream begins; its head is written already."""
        del content_type, headers
        if self._connection.recorder is not None:
            self._connection.recorder.began(status)

    def write(self, data: bytes) -> None:
        """Write a piece of the stream. Raises ConnectionResetError when the client is gone."""
        transport = self._connection.transport
        if transport is None or self._socket.closed:
            raise ConnectionResetError("the client went away")
        if self._connection.recorder is not None:
            self._connection.recorder.sent(data)
        frames = [message_frame(event, binary=self._binary) for event in events_of(data, binary=self._binary)]
        transport.write(b"".join(frames))

    def write_joined(self, parts: Sequence[bytes], size: int) -> None:
        """Write ``parts``, which have ``size`` bytes in all."""
        del size
        self.write(b"".join(parts))

    @property
    def unsent_bytes(self) -> int:
        """How much is waiting for the client to read it."""
        return self._connection.unsent_bytes

    async def drained(self) -> None:
        """Wait while the client is behind."""
        await self._connection.drained()

    async def until_closed(self) -> None:
        """Return when the client closes. What it says is nobody's."""
        message: WSMessage
        async for message in self._socket:
            del message

    async def finish(self) -> web.StreamResponse:
        """Close in an orderly way."""
        await self._socket.close()
        return self._socket
