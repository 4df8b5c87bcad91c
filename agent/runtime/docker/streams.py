"""Exec and attach over a hijacked connection to the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from agent.runtime.docker.multiplex import Demultiplexer
from minikube_py.aio.tasks import TaskSet

_CHUNK = 64 * 1024
_MOST_BUFFERED = 256 * 1024


class HijackedStreams:
    """Streams over one connection. ``exit_code`` is asked when output has ended, ``hang_up`` when the client left."""

    def __init__(
        self,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        tty: bool,
        tasks: TaskSet,
        exit_code: Callable[[], Awaitable[int]],
        resize: Callable[[int, int], Awaitable[None]],
        hang_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self._reader, self._writer = connection
        self._tty = tty
        self._exit_code = exit_code
        self._resize = resize
        self._hang_up = hang_up
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._gates = {"stdout": _Gate(self.stdout), "stderr": _Gate(self.stderr)}
        self._copying = tasks.spawn(self._copy(), name="engine stream")

    async def write_stdin(self, data: bytes) -> None:
        """Input to a command that has ended is dropped."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def close_stdin(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            if self._writer.can_write_eof():
                self._writer.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        if self._tty:
            await self._resize(columns, rows)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def close(self) -> None:
        if not self._code.done():
            await self._hang_up()
        self._copying.cancel()
        await asyncio.wait([self._copying])

    async def _copy(self) -> None:
        demultiplexer = Demultiplexer(whole=False)
        code = 137
        try:
            while data := await self._receive():
                pieces = [("stdout", data)] if self._tty else demultiplexer.feed(data)
                for stream, piece in pieces:
                    await self._gates[stream].feed(piece)
            self._end_output()
            code = await self._exit_code()
        finally:
            self._end_output()
            self._writer.close()
            if not self._code.done():
                self._code.set_result(code)

    async def _receive(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError:
            return b""

    def _end_output(self) -> None:
        for reader in (self.stdout, self.stderr):
            if not reader.at_eof():
                reader.feed_eof()


class _Gate(asyncio.ReadTransport):
    """Holds the copying up while its reader is full."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__()
        self._reader = reader
        self._open = asyncio.Event()
        self._open.set()
        reader.set_transport(self)

    async def feed(self, data: bytes) -> None:
        await self._open.wait()
        self._reader.feed_data(data)

    def pause_reading(self) -> None:
        self._open.clear()

    def resume_reading(self) -> None:
        self._open.set()

    def is_closing(self) -> bool:
        return False
