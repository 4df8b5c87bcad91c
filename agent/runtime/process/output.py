"""A container's output on its way from pipes to its log file and to whoever is attached. Standard library only.

Nobody can hold the machine up: logs lose lines on a full disk, and an attached client that does not read is cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable

from agent.runtime.process.logs import LogFile
from agent.runtime.process.loop import Loop

_CHUNK = 64 * 1024
_ATTACH_BUFFER = 1024 * 1024


class Output:
    """The reading ends of one container."""

    def __init__(self, loop: Loop, log_path: str) -> None:
        self.log = LogFile(log_path)
        self._loop = loop
        self._sources: dict[int, str] = {}
        self._attached: list[dict[str, int]] = []

    def add(self, fd: int, stream: str) -> None:
        """Takes over ``fd`` and reads it whenever it has something."""
        os.set_blocking(fd, False)
        self._sources[fd] = stream
        self._loop.add(fd, self._reader(fd))

    def attach(self, streams: tuple[str, ...]) -> list[int]:
        """New pipes that carry a copy of ``streams`` from now on; gives back the ends to read, the caller's."""
        writers: dict[str, int] = {}
        readers: list[int] = []
        for stream in streams:
            reader, writers[stream] = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            readers.append(reader)
            with contextlib.suppress(OSError):  # more than an ordinary user may have in all
                fcntl.fcntl(writers[stream], fcntl.F_SETPIPE_SZ, _ATTACH_BUFFER)
        self._attached.append(writers)
        return readers

    def close(self) -> None:
        """Reads what is left and lets go of everything."""
        for fd in list(self._sources):
            while self._read(fd):
                pass
            self._drop(fd)
        for client in self._attached:
            _close(client)
        self._attached.clear()
        self.log.close()

    def _reader(self, fd: int) -> Callable[[], None]:
        def read() -> None:
            self._read(fd)

        return read

    def _read(self, fd: int) -> bool:
        """One chunk. Whether there may be more at once."""
        if fd not in self._sources:
            return False
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose last user is gone
            data = b""
        if not data:
            self._drop(fd)
            return False
        stream = self._sources[fd]
        self.log.write(stream, data)
        for client in list(self._attached):
            self._copy(client, stream, data)
        return True

    def _copy(self, client: dict[str, int], stream: str, data: bytes) -> None:
        if stream not in client:
            return
        try:
            complete = os.write(client[stream], data) == len(data)
        except OSError:
            complete = False
        if not complete:
            self._attached.remove(client)
            _close(client)

    def _drop(self, fd: int) -> None:
        if self._sources.pop(fd, None) is not None:
            self._loop.remove(fd)
            os.close(fd)


def _close(client: dict[str, int]) -> None:
    for fd in client.values():
        os.close(fd)
