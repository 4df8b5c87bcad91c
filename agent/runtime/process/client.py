"""The agent's end of the socket to its machine: calls with answers, events, and the news that it is gone."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.runtime.process import wire
from agent.runtime.protocol import RuntimeFault

Answer = tuple[dict[str, Any], list[int]]


class MachineFault(RuntimeFault):
    """The machine refused. ``code`` is an exit code for a command that cannot run, else 0; ``errno`` likewise."""

    def __init__(self, message: str, *, code: int = 0, errno: int = 0) -> None:
        super().__init__("MachineFault", message)
        self.code = code
        self.errno = errno


class MachineGone(RuntimeFault):
    """There is no machine to speak to now."""

    def __init__(self, message: str) -> None:
        super().__init__("RuntimeUnavailable", message)


class MachineClient:
    """One connection. ``on_event(message)`` and ``on_lost()`` are called on the loop."""

    def __init__(
        self, path: Path, *, on_event: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]
    ) -> None:  # fmt: skip
        self.machine_pid = 0
        self._path = path
        self._on_event = on_event
        self._on_lost = on_lost
        self._channel: socket.socket | None = None
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._numbers = itertools.count(1)
        self._sending = asyncio.Lock()

    @property
    def connected(self) -> bool:
        return self._channel is not None

    async def connect(self) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            channel.setblocking(False)
            await loop.sock_connect(channel, str(self._path))
            credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except BaseException:
            channel.close()
            raise
        self.machine_pid = struct.unpack("3i", credentials)[0]
        self._channel = channel
        loop.add_reader(channel.fileno(), self._readable)

    def close(self) -> None:
        """Hangs up. Calls that wait raise MachineGone. Safe to call twice."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(channel.fileno())
        loop.remove_writer(channel.fileno())
        channel.close()
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(MachineGone("the connection to the node's machine ended"))

    async def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """The answer of an operation that gives no descriptors. Raises MachineFault, MachineGone."""
        answer, fds = await self.call_fds(op, **fields)
        wire.close_all(fds)
        return answer

    async def call_fds(self, op: str, **fields: Any) -> Answer:
        """The answer with its descriptors, which are the caller's. Raises MachineFault, MachineGone."""
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            await self._send({"id": number, "op": op, **fields})
            return await future
        except BaseException:
            if future.done() and not future.cancelled() and future.exception() is None:
                wire.close_all(future.result()[1])
            raise
        finally:
            self._pending.pop(number, None)

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            while True:
                channel = self._channel
                if channel is None:
                    raise MachineGone("the node's machine does not run")
                try:
                    wire.send(channel, message)
                    return
                except BlockingIOError:
                    await self._writable(channel)
                except OSError as error:
                    raise MachineGone(f"the node's machine does not answer: {error}") from error

    async def _writable(self, channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        fd = channel.fileno()
        loop.add_writer(fd, ready.set)
        try:
            await ready.wait()
        finally:
            if self._channel is channel:
                loop.remove_writer(fd)

    def _readable(self) -> None:
        while (channel := self._channel) is not None:
            try:
                message, fds = wire.receive(channel)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                self._on_lost()
                return
            self._take(message, fds)

    def _take(self, message: dict[str, Any], fds: list[int]) -> None:
        if "event" in message:
            wire.close_all(fds)
            self._on_event(message)
            return
        future = self._pending.pop(message.get("id", 0), None)
        if future is None or future.done():
            self._unwanted(message, fds)
        elif "fault" in message:
            wire.close_all(fds)
            fault = MachineFault(
                str(message["fault"]), code=int(message.get("code") or 0), errno=int(message.get("errno") or 0)
            )
            future.set_exception(fault)
        else:
            future.set_result((message.get("ok") or {}, fds))

    def _unwanted(self, message: dict[str, Any], fds: list[int]) -> None:
        """Its caller was cancelled: a command that was started for it must end."""
        wire.close_all(fds)
        exec_id = (message.get("ok") or {}).get("exec_id")
        if exec_id is not None and self._channel is not None:
            try:
                wire.send(self._channel, {"id": 0, "op": "exec_kill", "exec_id": exec_id})
            except OSError:
                pass  # a full or broken socket: the machine ends it when we disconnect
