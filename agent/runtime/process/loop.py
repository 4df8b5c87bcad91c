"""The machine's event loop: one epoll, callbacks by descriptor, and no fault that ends it. Standard library only."""

from __future__ import annotations

import select
import sys
import traceback
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Loop:
    """Calls what was registered until ``stop``. A callback that raises is reported on stderr and the loop goes on."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._running = True

    def add(self, fd: int, callback: Callable[[], None], mask: int = READ) -> None:
        self._epoll.register(fd, mask)
        self._callbacks[fd] = callback

    def modify(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, mask)

    def remove(self, fd: int) -> None:
        """Forget ``fd``; call it before closing. Harmless for an unknown one."""
        if self._callbacks.pop(fd, None) is not None:
            try:
                self._epoll.unregister(fd)
            except OSError:
                pass

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            for fd, _ in self._epoll.poll():
                callback = self._callbacks.get(fd)
                if callback is not None:
                    guard(callback)


def guard(callback: Callable[[], None]) -> None:
    """Calls ``callback``; its exception goes to stderr and no further."""
    try:
        callback()
    except Exception:
        traceback.print_exc(file=sys.stderr)
