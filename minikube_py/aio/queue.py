"""A work queue with the guarantees of client-go's ``util/workqueue``: what makes level-triggered controllers safe.

- A key that is queued is queued once, however often it is added.
- A key that is being processed is never handed to a second worker; added meanwhile, it is queued again on ``done``.
- ``add_after`` for a key that already waits keeps the earlier of the two times.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from minikube_py.aio.backoff import KeyedBackoff
from minikube_py.aio.clock import Clock, SystemClock, Timer

K = TypeVar("K", bound=Hashable)


class QueueShutDown(Exception):
    """The queue is shut down and empty: the worker ends."""


class WorkQueue(Generic[K]):
    """Keys waiting for work. ``rate_limit`` defaults to client-go's per-item limiter: 5 ms doubling to 1000 s."""

    def __init__(self, *, clock: Clock | None = None, rate_limit: KeyedBackoff[K] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._rate_limit: KeyedBackoff[K] = rate_limit if rate_limit is not None else KeyedBackoff(0.005, 1000.0)
        self._queue: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._delayed: dict[K, tuple[float, Timer]] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shut_down = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing queued and nothing in work (keys may still wait for their time)."""
        return not self._dirty and not self._processing

    def add(self, key: K) -> None:
        """The key needs work. Ignored after ``shut_down``."""
        if self._shut_down or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """The key needs work ``seconds`` from now."""
        if self._shut_down:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        waiting = self._delayed.get(key)
        if waiting is not None:
            if waiting[0] <= due:
                return
            waiting[1].cancel()
        self._delayed[key] = (due, self._clock.call_later(seconds, lambda: self._fall_due(key)))

    def add_rate_limited(self, key: K) -> None:
        """Work on the key failed: try again after its own growing delay."""
        if not self._shut_down:
            self.add_after(key, self._rate_limit.next(key))

    def forget(self, key: K) -> None:
        """Work on the key succeeded: its delays start over."""
        self._rate_limit.reset(key)

    async def get(self) -> K:
        """The next key; call ``done`` with it afterwards. Raises QueueShutDown once shut down and drained."""
        while not self._queue:
            if self._shut_down:
                raise QueueShutDown
            await self._wait_for_key()
        key = self._queue.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: K) -> None:
        """Work on the key has ended, whatever came of it."""
        self._processing.discard(key)
        if key in self._dirty:
            self._push(key)

    def shut_down(self) -> None:
        """Accept nothing more, drop what waits for its time; workers finish what is queued and then end."""
        self._shut_down = True
        for _, timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()
        while self._getters:
            self._wake_one()

    def _fall_due(self, key: K) -> None:
        self._delayed.pop(key, None)
        self.add(key)

    def _push(self, key: K) -> None:
        self._queue.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    async def _wait_for_key(self) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter.done() and not getter.cancelled() and self._queue:
                self._wake_one()  # this worker was woken and then cancelled: the key is another's
            raise
