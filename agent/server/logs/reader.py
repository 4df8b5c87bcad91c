"""Reads one attempt's log file, and follows it until its container has ended.

The file may be rotated under the reader: it reads the old file to its end and goes on in the new one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from agent.filewatch import DirectoryWatcher
from agent.server.logs.cri import LogFilter, LogOptions, tail_offset

_CHUNK = 256 * 1024


class LogReader:
    """The log of one attempt. ``is_running`` tells whether more may come; ``wake`` may be called at any time."""

    def __init__(
        self, path: Path, options: LogOptions, *, watcher: DirectoryWatcher, is_running: Callable[[], bool]
    ) -> None:
        self._path = path
        self._options = options
        self._watcher = watcher
        self._is_running = is_running
        self._changed = asyncio.Event()
        self._filter = LogFilter(options)
        self._rest = b""
        self._descriptor = -1

    def wake(self) -> None:
        """Look again: the file or the container has changed."""
        self._changed.set()

    async def read(self) -> AsyncIterator[bytes]:
        """Pieces of the log until its end; with ``follow`` until the container has ended. Raises FileNotFoundError."""
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        unwatch = self._watcher.watch(self._path.parent, self.wake) if self._options.follow else None
        try:
            self._seek()
            while True:
                self._changed.clear()
                running = self._is_running()
                async for piece in self._available():
                    yield piece
                if self._filter.done or not (self._options.follow and running):
                    return
                if (fresh := self._rotated()) is None:
                    await self._changed.wait()
                    continue
                async for piece in self._available():
                    yield piece  # written between our last look and the renaming
                self._switch(fresh)
        finally:
            if unwatch is not None:
                unwatch()
            os.close(self._descriptor)

    def _seek(self) -> None:
        if self._options.tail_lines is not None:
            size = os.fstat(self._descriptor).st_size
            os.lseek(self._descriptor, tail_offset(size, self._pread, self._options.tail_lines), os.SEEK_SET)

    def _pread(self, offset: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    async def _available(self) -> AsyncIterator[bytes]:
        """What can be read now, without waiting."""
        while not self._filter.done:
            data = await asyncio.to_thread(os.read, self._descriptor, _CHUNK)
            if not data:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            shown = b"".join(map(self._filter.feed, lines))
            if shown:
                yield shown

    def _rotated(self) -> int | None:
        """The new file, opened, where the path is another file now."""
        try:
            fresh = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        there, here = os.fstat(fresh), os.fstat(self._descriptor)
        if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
            os.close(fresh)
            return None
        return fresh

    def _switch(self, fresh: int) -> None:
        os.close(self._descriptor)
        self._descriptor = fresh
        self._rest = b""
