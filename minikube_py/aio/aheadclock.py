"""A clock that can be put forward: what waits on it is called as if the time had passed.

It moves only what was given it. The machine's own time, with certificates, tokens and heartbeats, goes on as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from minikube_py.aio.clock import Clock, Timer, sleep_by_timer


class _AheadTimer:
    """A callback and when it is due on the clock that was put forward."""

    __slots__ = ("callback", "due", "inner")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback = callback
        self.inner: Timer | None = None


class _Handle:
    """What the caller may cancel."""

    __slots__ = ("_clock", "_timer")

    def __init__(self, clock: AheadClock, timer: _AheadTimer) -> None:
        self._clock = clock
        self._timer = timer

    def cancel(self) -> None:
        self._clock.forget(self._timer)


class AheadClock:
    """``base``, and ``ahead`` seconds more, which ``put`` raises. It never goes back."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._ahead = 0.0
        self._timers: set[_AheadTimer] = set()

    @property
    def ahead(self) -> float:
        """By how many seconds it is before its base."""
        return self._ahead

    def now(self) -> datetime:
        return self._base.now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return self._base.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await sleep_by_timer(self, seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = _AheadTimer(self.monotonic() + max(seconds, 0.0), callback)
        self._timers.add(timer)
        self._arm(timer)
        return _Handle(self, timer)

    def put(self, ahead: float) -> None:
        """Be ``ahead`` seconds before the base; what falls due is called soon. Less than now changes nothing."""
        if ahead <= self._ahead:
            return
        self._ahead = ahead
        for timer in sorted(self._timers, key=lambda each: each.due):
            if timer.inner is not None:
                timer.inner.cancel()
            self._arm(timer)

    def forget(self, timer: _AheadTimer) -> None:
        """Do not call it."""
        if timer.inner is not None:
            timer.inner.cancel()
        self._timers.discard(timer)

    def _arm(self, timer: _AheadTimer) -> None:
        timer.inner = self._base.call_later(max(timer.due - self.monotonic(), 0.0), lambda: self._fire(timer))

    def _fire(self, timer: _AheadTimer) -> None:
        self._timers.discard(timer)
        timer.callback()
