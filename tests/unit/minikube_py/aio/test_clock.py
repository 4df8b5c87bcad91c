"""The fake clock: order, nesting, cancellation."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from minikube_py.aio.clock import FakeClock, SystemClock
from minikube_py.aio.tasks import TaskSet


async def test_sleepers_wake_in_order_of_time_then_of_asking() -> None:
    clock, woken, tasks = FakeClock(), list[str](), TaskSet("test")

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(f"{name}@{clock.monotonic()}")

    for name, seconds in (("late", 3.0), ("first", 1.0), ("second", 1.0), ("never", 9.0)):
        tasks.spawn(sleeper(name, seconds), name=name)
    await clock.advance(5)
    assert woken == ["first@1.0", "second@1.0", "late@3.0"]
    assert clock.next_due() == 4.0
    await tasks.close()
    assert clock.waiting == 0


async def test_a_loop_of_sleeps_runs_within_one_advance() -> None:
    clock, ticks, tasks = FakeClock(), list[float](), TaskSet("test")

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.monotonic())

    tasks.spawn(ticker(), name="ticker")
    await clock.advance(35)
    assert ticks == [10, 20, 30]
    await clock.advance(5)
    assert ticks[-1] == 40
    await tasks.close()


async def test_wall_and_monotonic_time_move_together() -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    clock = FakeClock(start)
    await clock.advance(90.5)
    assert clock.now() == start + timedelta(seconds=90.5)
    assert clock.monotonic() == 90.5


async def test_timers_can_be_cancelled() -> None:
    clock, fired = FakeClock(), list[str]()
    timer = clock.call_later(1, lambda: fired.append("cancelled"))
    clock.call_later(2, lambda: fired.append("kept"))
    timer.cancel()
    await clock.advance(3)
    assert fired == ["kept"]


async def test_sleeping_no_time_yields() -> None:
    clock = FakeClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.waiting == 0


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(datetime(2026, 1, 1))


async def test_the_system_clock_keeps_time() -> None:
    clock, fired = SystemClock(), asyncio.Event()
    before = clock.monotonic()
    clock.call_later(0.001, fired.set)
    await asyncio.wait_for(fired.wait(), 60)
    await clock.sleep(0)
    assert clock.monotonic() > before
    assert clock.now().tzinfo is UTC
