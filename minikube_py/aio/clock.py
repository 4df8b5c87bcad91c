"""Time as a collaborator: every wait in the program goes through a Clock, so tests and lessons can move it.

``FakeClock`` is deterministic. Timers fire in the order of their due times, ties in the order in which they were set,
and between two firings everything that became runnable runs until it waits again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """A callback that has not fired yet."""

    def cancel(self) -> None:
        """Do not fire. Harmless after firing."""
        ...


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once (but after yielding) for zero or less."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the running loop after ``seconds``. Cheaper than a task that sleeps."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(seconds, 0.0), callback)


async def sleep_by_timer(clock: Clock, seconds: float) -> None:
    """``Clock.sleep`` for clocks whose own time is their timers'."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, lambda: None if done.done() else done.set_result(None))
    try:
        await done
    finally:
        timer.cancel()


class _FakeTimer:
    """An entry of the fake clock's heap; cancelling drops the callback and leaves the entry to be skipped."""

    __slots__ = ("callback", "due", "order")

    def __init__(self, due: float, order: int, callback: Callable[[], None]) -> None:
        self.due = due
        self.order = order
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: _FakeTimer) -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def cancel(self) -> None:
        self.callback = None


#: Loop iterations after which whatever could run without real I/O is taken to have run. A chain of awaits that hands
#: a result from task to task needs about one per hop.
_SETTLE_ROUNDS = 60


class FakeClock:
    """A clock that stands still until ``advance`` moves it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("the start of a FakeClock needs a time zone")
        self._start = start
        self._elapsed = 0.0
        self._timers: list[_FakeTimer] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        await sleep_by_timer(self, seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = _FakeTimer(self._elapsed + max(seconds, 0.0), next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def waiting(self) -> int:
        """How many timers and sleepers are set."""
        return sum(1 for timer in self._timers if timer.callback is not None)

    def next_due(self) -> float | None:
        """Seconds until the next timer fires, None where nothing waits."""
        self._drop_cancelled()
        return self._timers[0].due - self._elapsed if self._timers else None

    async def advance(self, seconds: float) -> None:
        """Move time on, stopping at every timer that falls due on the way and letting what it woke run."""
        target = self._elapsed + seconds
        await self.settle()
        while (timer := self._pop_due(target)) is not None:
            self._elapsed = max(self._elapsed, timer.due)
            if timer.callback is not None:
                timer.callback()
            await self.settle()
        self._elapsed = target
        await self.settle()

    async def settle(self) -> None:
        """Let everything run that can run without time or real I/O passing."""
        for _ in range(_SETTLE_ROUNDS):
            await asyncio.sleep(0)

    def _pop_due(self, target: float) -> _FakeTimer | None:
        self._drop_cancelled()
        if self._timers and self._timers[0].due <= target + 1e-9:
            return heapq.heappop(self._timers)
        return None

    def _drop_cancelled(self) -> None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
