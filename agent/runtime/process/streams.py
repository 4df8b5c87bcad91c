"""Descriptors that the machine has handed over as asyncio streams: what exec and attach give to their caller."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable

_CHUNK = 64 * 1024


class _Source(asyncio.ReadTransport):
    """Feeds a StreamReader from a descriptor it owns, and stops reading while the reader is full."""

    def __init__(self, fd: int, reader: asyncio.StreamReader) -> None:
        super().__init__()
        os.set_blocking(fd, False)
        self._fd = fd
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        reader.set_transport(self)
        self._loop.add_reader(fd, self._readable)

    def pause_reading(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._readable)

    def is_closing(self) -> bool:
        return self._fd < 0

    def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._reader.feed_eof()
        self.ended.set()

    def drain(self) -> None:
        """The writer has exited: take what is there, then end, even if a stray child still holds the other side."""
        while self._fd >= 0 and self._read():
            pass
        self.close()

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose last user is gone
            data = b""
        if not data:
            self.close()
            return False
        self._reader.feed_data(data)
        return True


class FdStreams:
    """Streams over descriptors: ``stdin`` (or -1), ``stdout``, ``stderr`` (or -1); a terminal is both of the first.

    ``hang_up`` ends what was started for this client, ``end_stdin`` is told that it will write no more; the owner calls
    ``finish`` with the exit code.
    """

    def __init__(
        self,
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        terminal: bool,
        hang_up: Callable[[], Awaitable[None]],
        end_stdin: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self._stdin = stdin
        self._terminal = terminal
        self._hang_up = hang_up
        self._end_stdin = end_stdin
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._sources = [_Source(stdout, self.stdout)]
        if stderr >= 0:
            self._sources.append(_Source(stderr, self.stderr))
        else:
            self.stderr.feed_eof()
        if stdin >= 0:
            os.set_blocking(stdin, False)
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        """Input to a command that has ended, or reads none, is dropped."""
        async with self._writing:
            view = memoryview(data)
            while view and self._stdin >= 0:
                try:
                    view = view[os.write(self._stdin, view) :]
                except BlockingIOError:
                    await self._writable()
                except OSError:
                    return

    async def close_stdin(self) -> None:
        """End of input; on a terminal that is what Ctrl-D says."""
        if self._terminal:
            await self.write_stdin(b"\x04")
            return
        async with self._writing:
            self._close_stdin()
        if self._end_stdin is not None:
            await self._end_stdin()

    async def resize(self, columns: int, rows: int) -> None:
        if self._terminal and self._stdin >= 0:
            size = struct.pack("4H", rows, columns, 0, 0)
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, size)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def close(self) -> None:
        if not self._code.done():
            await self._hang_up()
        self._release()

    def finish(self, code: int) -> None:
        """The command has ended with ``code``: its output is complete."""
        for source in self._sources:
            source.drain()
        self._close_stdin()
        if not self._code.done():
            self._code.set_result(code)

    def _release(self) -> None:
        for source in self._sources:
            source.close()
        self._close_stdin()
        if not self._code.done():
            self._code.set_result(137)

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            asyncio.get_running_loop().remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
            self._room.set()

    async def _writable(self) -> None:
        """Until there is room, or the other side or this one has closed."""
        loop = asyncio.get_running_loop()
        self._room.clear()
        fd = self._stdin
        loop.add_writer(fd, self._room.set)
        try:
            await self._room.wait()
        finally:
            if self._stdin == fd:
                loop.remove_writer(fd)
