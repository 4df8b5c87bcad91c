"""The event loop of the userspace data plane: one edge-triggered epoll set, in plain function calls.

asyncio's transports cost a third of a proxy's throughput (measured: docs/dataplane.md), so the relays stand directly
on epoll. The set is itself a descriptor: it nests in an asyncio loop (:mod:`minikube_py.dataplane.userspace.drivers`),
and any thread of its own could turn it as well. Nothing here blocks except ``turn`` with a timeout.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import resource
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
#: The peer has ended its side, both sides are ended, or the socket has failed: whatever is left must be read now.
ENDING = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
BOTH = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
READING = select.EPOLLIN | select.EPOLLET
_BATCH = 256

#: The share of the process' descriptors that is left to others, and at least so many.
_RESERVED_SHARE, _RESERVED = 8, 256

Handler = Callable[[int], None]
Callback = Callable[[], None]


def _most_sockets() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(limit // 2, limit - max(limit // _RESERVED_SHARE, _RESERVED))


class Timer:
    """A callback that waits for its time."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callback) -> None:
        self.due = due
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Do not fire. Harmless after firing."""
        self.callback = None


class Deadlines:
    """Timers of one engine that all wait equally long. Most are cancelled soon, thousands in a second: they stand in a
    queue instead of the engine's heap, from which a cancelled timer would go only when its time has come."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: deque[Timer] = deque()
        self._waiting = False

    def start(self, seconds: float, callback: Callback) -> Timer:
        """``callback`` in ``seconds``, which are the same for every call."""
        queue = self._queue
        while queue and queue[0].callback is None:
            queue.popleft()
        timer = Timer(self._engine.monotonic() + seconds, callback)
        queue.append(timer)
        if not self._waiting:
            self._waiting = True
            self._engine.call_later(seconds, self._look)
        return timer

    def __len__(self) -> int:
        return len(self._queue)

    def _look(self) -> None:
        queue, now = self._queue, self._engine.monotonic()
        while queue and (queue[0].callback is None or queue[0].due <= now):
            callback = queue.popleft().callback
            if callback is not None:
                self._engine.again(callback)
        self._waiting = bool(queue)
        if queue:
            self._engine.call_later(queue[0].due - now, self._look)


class Engine:
    """Sockets and the functions that serve them. ``monotonic`` gives seconds.

    Whoever turns the engine sets ``wake``: it is called when work or a timer was added between two turns. ``most`` is
    how many sockets it should have at a time; by default it leaves a part of the process' descriptors to others, for
    the process is an agent that must be able to work while its Services are flooded.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, most: int | None = None) -> None:
        self.monotonic = monotonic
        self._most = most
        self.wake: Callback = lambda: None
        self._turning = False
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._failures: dict[int, Callback] = {}
        self._closing: list[socket.socket] = []
        self._again: list[Callback] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def fileno(self) -> int:
        """Readable when a turn has something to do."""
        return self._epoll.fileno()

    @property
    def full(self) -> bool:
        """Whether new clients should wait."""
        if self._most is None:  # not before the first client: the limit is raised when the process starts
            self._most = _most_sockets()
        return len(self._handlers) >= self._most

    def register(self, sock: socket.socket, handler: Handler, on_failure: Callback, events: int = BOTH) -> None:
        """Calls ``handler(events)`` at each edge; ``on_failure()`` once if the handler itself fails."""
        fd = sock.fileno()
        self._handlers[fd] = handler
        self._failures[fd] = on_failure
        self._epoll.register(fd, events)

    def close(self, sock: socket.socket) -> None:
        """Closes ``sock``; within a turn at its end, so that events already fetched never reach a reused descriptor."""
        fd = sock.fileno()
        if self._handlers.pop(fd, None) is not None:
            del self._failures[fd]
        if self._turning:
            self._closing.append(sock)
        else:
            sock.close()

    def again(self, callback: Callback) -> None:
        """Work that has had its share of this turn goes on in the next."""
        self._again.append(callback)
        if not self._turning:
            self.wake()

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """``callback`` in ``seconds`` from now, by the turn that follows."""
        timer = Timer(self.monotonic() + seconds, callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        if not self._turning:
            self.wake()
        return timer

    def turn(self, timeout: float = 0.0) -> float | None:
        """Serves everything that is ready; waits for at most ``timeout`` seconds if nothing is.

        Returns the seconds after which the next turn is needed even without an event, None if no such time is known.
        """
        handlers = self._handlers
        ready = self._epoll.poll(0.0 if self._again else timeout, _BATCH)
        self._turning = True
        for fd, events in ready:
            handler = handlers.get(fd)
            if handler is None:
                continue
            try:
                handler(events)
            except Exception:
                self._fail(fd)
        if self._again:
            self._run_again()
        if self._timers:
            self._run_timers()
        self._turning = False
        if self._closing:
            self._close_all()
        return self._next_turn()

    def shut_down(self) -> None:
        """Closes every socket still due to be closed, and the set itself. Owners close their sockets first."""
        self._close_all()
        self._again.clear()
        self._timers.clear()
        self._epoll.close()

    def _fail(self, fd: int) -> None:
        """One bad handler costs its own connection, never the others'."""
        _log.exception("data plane handler failed")
        self._guard(self._failures.get(fd, lambda: None))

    def _guard(self, callback: Callback) -> None:
        try:
            callback()
        except Exception:
            _log.exception("data plane callback failed")

    def _run_again(self) -> None:
        work, self._again = self._again, []
        for callback in work:
            self._guard(callback)

    def _run_timers(self) -> None:
        now = self.monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                self._guard(callback)

    def _close_all(self) -> None:
        for sock in self._closing:
            sock.close()
        self._closing.clear()

    def _next_turn(self) -> float | None:
        if self._again:
            return 0.0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.monotonic()) if self._timers else None
