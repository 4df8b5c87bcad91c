"""Pipes that splice(2) moves bulk data through, kept for reuse: making one costs more than moving a megabyte."""

from __future__ import annotations

import fcntl
import os
from typing import NamedTuple

_F_SETPIPE_SZ = 1031
CAPACITY = 1 << 20
_KEPT = 32


class Pipe(NamedTuple):
    """The two ends of a non-blocking pipe."""

    reader: int
    writer: int

    def close(self) -> None:
        """Closes both ends."""
        os.close(self.reader)
        os.close(self.writer)


class PipePool:
    """Empty pipes."""

    def __init__(self) -> None:
        self._free: list[Pipe] = []

    def take(self) -> Pipe:
        """An empty pipe, of a mebibyte where the kernel grants that. Raises OSError when descriptors run out."""
        if self._free:
            return self._free.pop()
        pipe = Pipe(*os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            fcntl.fcntl(pipe.writer, _F_SETPIPE_SZ, CAPACITY)
        except OSError:
            pass  # beyond the user's share of pipe memory: a smaller pipe is only slower
        return pipe

    def give_back(self, pipe: Pipe, *, empty: bool) -> None:
        """The user is done with the pipe; one that still holds data is of no use to another."""
        if empty and len(self._free) < _KEPT:
            self._free.append(pipe)
        else:
            pipe.close()

    def close(self) -> None:
        """Closes the pipes that nobody holds."""
        while self._free:
            self._free.pop().close()
