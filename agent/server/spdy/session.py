"""A SPDY connection: streams that the client opens, read and written as ordinary byte streams.

There is no flow control per stream (kubectl's library has none): a stream that nobody reads stops the connection once
its buffer is full, as it does upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from agent.server.spdy.frames import (
    FIN,
    GOAWAY,
    PING,
    REFUSED_STREAM,
    RST_STREAM,
    SYN_REPLY,
    SYN_STREAM,
    Frame,
    FrameParser,
    HeaderCodec,
    SpdyFault,
    control_frame,
    data_frame,
)
from agent.server.streams.channels import ClientGone

_BUFFER = 256 * 1024
_MAX_STREAMS = 1000
_PIECE = 32 * 1024


class Carrier(Protocol):
    """The byte stream below: a raw connection, or WebSocket messages."""

    async def read(self) -> bytes:
        """Some bytes; b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Raises ClientGone."""
        ...

    async def close(self) -> None: ...


class SpdyStream:
    """One stream of a session."""

    def __init__(self, number: int, headers: Mapping[str, str], session: SpdySession) -> None:
        self.number = number
        self.headers = headers
        self._session = session
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def read(self) -> bytes:
        """Some bytes; b"" when the client has no more to say."""
        while not self._chunks and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._room.set()
        return data

    async def write(self, data: bytes) -> None:
        """Raises ClientGone."""
        for start in range(0, len(data), _PIECE):
            await self._session.send(data_frame(self.number, data[start : start + _PIECE]))

    async def finish(self) -> None:
        """We have no more to say."""
        await self._session.send(data_frame(self.number, b"", fin=True))

    async def feed(self, data: bytes, *, fin: bool) -> None:
        """For the session: what has come. Waits while the buffer is full."""
        if data and not self._ended:
            self._chunks.append(data)
            self._size += len(data)
            if self._size >= _BUFFER:
                self._room.clear()
        self._ended = self._ended or fin
        self._changed.set()
        if not self._ended:
            await self._room.wait()

    def end(self) -> None:
        """For the session: nothing more will come."""
        self._ended = True
        self._changed.set()
        self._room.set()


class SpdySession:
    """``on_stream`` is called for each stream that the client opens; it must return at once."""

    def __init__(self, carrier: Carrier, on_stream: Callable[[SpdyStream], None]) -> None:
        self._carrier = carrier
        self._on_stream = on_stream
        self._parser = FrameParser()
        self._codec = HeaderCodec()
        self._streams: dict[int, SpdyStream] = {}

    async def run(self) -> None:
        """Read until the client goes away or talks nonsense. Every stream has then ended."""
        try:
            while data := await self._carrier.read():
                for frame in self._parser.feed(data):
                    if frame.kind == GOAWAY:
                        return
                    await self._take(frame)
        except (SpdyFault, ClientGone):
            return
        finally:
            for stream in self._streams.values():
                stream.end()

    async def send(self, frame: bytes) -> None:
        """Raises ClientGone."""
        await self._carrier.write(frame)

    async def close(self) -> None:
        """Say good-bye and close the carrier."""
        try:
            last = max(self._streams, default=0)
            await self.send(control_frame(GOAWAY, last.to_bytes(4, "big") + bytes(4)))
        except ClientGone:
            pass
        await self._carrier.close()

    def forget(self, stream: SpdyStream) -> None:
        """Both ends are done with it."""
        self._streams.pop(stream.number, None)

    async def _take(self, frame: Frame) -> None:
        if frame.kind == 0:
            stream = self._streams.get(frame.stream)
            if stream is not None:
                await stream.feed(frame.payload, fin=bool(frame.flags & FIN))
        elif frame.kind == SYN_STREAM:
            await self._open(frame)
        elif frame.kind == RST_STREAM and frame.stream in self._streams:
            self._streams[frame.stream].end()
        elif frame.kind == PING:
            await self.send(control_frame(PING, frame.payload[:4]))

    async def _open(self, frame: Frame) -> None:
        number = frame.stream.to_bytes(4, "big")
        headers = self._codec.decode(frame.payload[10:])
        if len(self._streams) >= _MAX_STREAMS or frame.stream in self._streams:
            await self.send(control_frame(RST_STREAM, number + REFUSED_STREAM.to_bytes(4, "big")))
            return
        stream = self._streams[frame.stream] = SpdyStream(frame.stream, headers, self)
        await self.send(control_frame(SYN_REPLY, number + self._codec.encode({})))
        if frame.flags & FIN:
            stream.end()
        self._on_stream(stream)
