"""The engine's framing of stdout and stderr on one connection: eight bytes of header before each piece. Pure."""

from __future__ import annotations

import struct
from typing import Final

_HEADER: Final = struct.Struct(">B3xI")
STDOUT: Final = 1
STDERR: Final = 2
_NAMES: Final = {0: "stdout", STDOUT: "stdout", STDERR: "stderr"}


class Demultiplexer:
    """Bytes in, (stream, piece) out. ``whole`` keeps pieces together, as the log endpoint sends one entry in each."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._buffer = bytearray()
        self._stream = "stdout"
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The pieces that are there now. Raises ValueError for what is no frame."""
        self._buffer += data
        found: list[tuple[str, bytes]] = []
        while self._buffer:
            if self._left == 0:
                if len(self._buffer) < _HEADER.size:
                    break
                kind, self._left = _HEADER.unpack_from(self._buffer)
                if kind not in _NAMES:
                    raise ValueError(f"no frame of the engine: stream {kind}")
                self._stream = _NAMES[kind]
                del self._buffer[: _HEADER.size]
                continue
            if self._whole and len(self._buffer) < self._left:
                break
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: len(piece)]
            self._left -= len(piece)
            found.append((self._stream, piece))
        return found
