"""Container output as CRI log files: ``2026-01-02T03:04:05.000000006Z stdout F a line``.

A line longer than 16 KiB is cut into pieces tagged ``P`` (partial), the last one ``F``. The format is the kubelet's
(CRI logging design); rotation renames the file and asks for ``reopen``. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

LONGEST_LINE: Final = 16 * 1024


class LogFile:
    """One container's log. Writing never raises: on a full disk lines are lost, and counted in ``lost``."""

    def __init__(self, path: str) -> None:
        self.lost = 0
        self._path = path
        self._fd = -1
        self._partial: dict[str, bytes] = {}
        self._second = -1
        self._prefix = ""
        self.reopen()

    def reopen(self) -> None:
        """Closes the file and opens its path anew: what was written so far has been renamed."""
        self._close_fd()
        if not self._path:
            return
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError:
            self._fd = -1

    def write(self, stream: str, data: bytes) -> None:
        """Appends output of ``stream`` ("stdout", "stderr"); an unfinished line waits for its end."""
        data = self._partial.pop(stream, b"") + data
        stamp = self._stamp(time.time_ns())
        lines = data.split(b"\n")
        rest = lines.pop()
        entries = [entry for line in lines for entry in _pieces(line, stamp, stream)]
        while len(rest) >= LONGEST_LINE:
            entries.append(_entry(stamp, stream, b"P", rest[:LONGEST_LINE]))
            rest = rest[LONGEST_LINE:]
        if rest:
            self._partial[stream] = rest
        if entries:
            self._append(b"".join(entries), len(entries))

    def close(self) -> None:
        """Writes what has no line end, as the part of a line that it is, and closes the file."""
        stamp = self._stamp(time.time_ns())
        for stream, rest in self._partial.items():
            self._append(_entry(stamp, stream, b"P", rest), 1)
        self._partial.clear()
        self._close_fd()

    def _append(self, data: bytes, lines: int) -> None:
        if self._fd < 0 and self._path:
            self.reopen()
        try:
            written = os.write(self._fd, data)
        except OSError:
            self.lost += lines
            return
        if written < len(data):  # the disk became full within a line: take the torn entry back
            self.lost += 1
            with contextlib.suppress(OSError):
                os.write(self._fd, b"\n")

    def _close_fd(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _stamp(self, nanoseconds: int) -> bytes:
        second, rest = divmod(nanoseconds, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{rest:09d}Z".encode()


def _pieces(line: bytes, stamp: bytes, stream: str) -> list[bytes]:
    pieces = []
    while len(line) > LONGEST_LINE:
        pieces.append(_entry(stamp, stream, b"P", line[:LONGEST_LINE]))
        line = line[LONGEST_LINE:]
    return [*pieces, _entry(stamp, stream, b"F", line)]


def _entry(stamp: bytes, stream: str, tag: bytes, line: bytes) -> bytes:
    return b"%s %s %s %s\n" % (stamp, stream.encode(), tag, line)
