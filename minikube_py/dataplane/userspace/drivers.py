"""Who turns an engine: an asyncio loop in which the epoll set nests as one descriptor."""

from __future__ import annotations

import asyncio

from minikube_py.dataplane.userspace.engine import Engine


class NestedDriver:
    """Turns ``engine`` on the running asyncio loop whenever its epoll set is readable or a timer of it is due."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Handle | None = None

    def start(self) -> None:
        """Begins to turn the engine."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._engine.fileno(), self._turn)
        self._engine.wake = self._wake
        self._wake()

    def stop(self) -> None:
        """Stops turning; the engine's sockets stay as they are."""
        if self._loop is None:
            return
        self._loop.remove_reader(self._engine.fileno())
        self._engine.wake = lambda: None
        if self._next is not None:
            self._next.cancel()
        self._loop = None

    def _turn(self) -> None:
        delay = self._engine.turn()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._loop is None or delay is None:
            return
        self._next = self._loop.call_later(delay, self._turn) if delay else self._loop.call_soon(self._turn)

    def _wake(self) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._loop is not None:
            self._next = self._loop.call_soon(self._turn)
