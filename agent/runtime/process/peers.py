"""The agents connected to a machine: requests in, answers and events out. Standard library only.

A peer that dies or does not read costs the machine nothing but its own connection.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from agent.runtime.process import wire
from agent.runtime.process.loop import READ, WRITE, Loop

_MOST_WAITING = 10_000


class Peer:
    """One connection. ``handle(peer, message, fds)`` is called per request, ``gone(peer)`` once."""

    def __init__(
        self,
        channel: socket.socket,
        loop: Loop,
        *,
        handle: Callable[[Peer, dict[str, Any], list[int]], None],
        gone: Callable[[Peer], None],
    ) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._loop = loop
        self._handle = handle
        self._gone = gone
        self._waiting: deque[tuple[dict[str, Any], list[int]]] = deque()
        loop.add(channel.fileno(), self._ready)

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Sends or queues; descriptors are duplicated if they must wait. A peer that has left hears nothing."""
        if self._channel.fileno() < 0:
            return
        if not self._waiting and self._try(message, fds):
            return
        if self._channel.fileno() < 0:
            return
        self._waiting.append((message, [os.dup(fd) for fd in fds]))
        self._loop.modify(self._channel.fileno(), READ | WRITE)
        if len(self._waiting) > _MOST_WAITING:
            self.close()

    def close(self) -> None:
        if self._channel.fileno() < 0:
            return
        self._loop.remove(self._channel.fileno())
        self._channel.close()
        for _, fds in self._waiting:
            wire.close_all(fds)
        self._waiting.clear()
        self._gone(self)

    def _ready(self) -> None:
        self._flush()
        if self._channel.fileno() >= 0:
            self._receive()

    def _receive(self) -> None:
        try:
            message, fds = wire.receive(self._channel)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        try:
            self._handle(self, message, fds)
        finally:
            wire.close_all(fds)

    def _flush(self) -> None:
        while self._waiting:
            message, fds = self._waiting[0]
            if not self._try(message, fds):
                return
            self._waiting.popleft()
            wire.close_all(fds)
            if not self._waiting:
                self._loop.modify(self._channel.fileno(), READ)

    def _try(self, message: dict[str, Any], fds: Sequence[int]) -> bool:
        try:
            wire.send(self._channel, message, fds)
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        return True
