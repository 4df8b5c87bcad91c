"""SPDY/3 frames to bytes and back. Pure; the header compression of each direction is one zlib stream per connection."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agent.server.spdy.dictionary import DICTIONARY

FIN = 0x01
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
_VERSION = 3
#: Larger control frames and header blocks come from nobody who means well.
MAX_HEADERS = 64 * 1024


class SpdyFault(Exception):
    """The other end does not speak SPDY/3, or not sensibly."""


class Frame(NamedTuple):
    """One frame. Control frames have a ``kind`` above zero; a data frame has kind 0 and its stream's number."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class FrameParser:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. Raises SpdyFault."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            length = second & 0xFFFFFF
            _check(first, length)
            if len(self._buffer) < 8 + length:
                return
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            yield _frame(first, second >> 24, payload)


def _check(first: int, length: int) -> None:
    """Refuse a frame by its first eight bytes, before anything of it is kept."""
    if not first & 0x80000000:
        return
    version = (first >> 16) & 0x7FFF
    if version != _VERSION or length > MAX_HEADERS:
        raise SpdyFault(f"a control frame of SPDY version {version} and {length} bytes")


def _frame(first: int, flags: int, payload: bytes) -> Frame:
    if not first & 0x80000000:
        return Frame(0, flags, first, payload)
    kind, stream = first & 0xFFFF, 0
    if kind in (SYN_STREAM, SYN_REPLY, RST_STREAM, HEADERS, WINDOW_UPDATE, PING, GOAWAY):
        if len(payload) < 4:
            raise SpdyFault(f"a control frame of {len(payload)} bytes")
        stream = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
    return Frame(kind, flags, stream, payload)


def data_frame(stream: int, data: bytes, *, fin: bool = False) -> bytes:
    """Bytes of a stream."""
    return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data


def control_frame(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """A control frame."""
    return struct.pack(">II", 0x80000000 | _VERSION << 16 | kind, flags << 24 | len(payload)) + payload


class HeaderCodec:
    """The header blocks of one connection: ours out, the other end's in."""

    def __init__(self) -> None:
        self._out = zlib.compressobj(zdict=DICTIONARY)
        self._in = zlib.decompressobj(zdict=DICTIONARY)

    def encode(self, headers: Mapping[str, str]) -> bytes:
        """A compressed header block."""
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        return self._out.compress(block) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def decode(self, block: bytes) -> dict[str, str]:
        """Names in lower case. Raises SpdyFault."""
        try:
            plain = self._in.decompress(block, MAX_HEADERS)
            return _pairs(plain)
        except (zlib.error, struct.error, UnicodeDecodeError) as error:
            raise SpdyFault(f"a header block that cannot be read: {error}") from error


def _pairs(plain: bytes) -> dict[str, str]:
    (count,), offset = struct.unpack_from(">I", plain), 4
    texts = []
    for _ in range(2 * count):
        (length,) = struct.unpack_from(">I", plain, offset)
        if offset + 4 + length > len(plain):
            raise SpdyFault("a header block that is too short")
        texts.append(plain[offset + 4 : offset + 4 + length].decode())
        offset += 4 + length
    return dict(zip((name.lower() for name in texts[::2]), texts[1::2], strict=True))
