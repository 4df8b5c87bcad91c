"""Hours that pass at once."""

from __future__ import annotations

from datetime import timedelta

from minikube_py.aio.aheadclock import AheadClock
from minikube_py.aio.clock import FakeClock
from minikube_py.aio.tasks import TaskSet


async def test_what_falls_due_is_called_in_order() -> None:
    base = FakeClock()
    clock = AheadClock(base)
    begun, called = clock.now(), []
    for seconds in (30, 10, 20, 5000):
        clock.call_later(seconds, lambda seconds=seconds: called.append(seconds))
    clock.put(3600)
    await base.advance(0)
    assert called == [10, 20, 30]
    assert clock.now() - begun == timedelta(hours=1)
    await base.advance(1399)
    assert called == [10, 20, 30]
    await base.advance(1)
    assert called == [10, 20, 30, 5000]
    assert base.waiting == 0


async def test_it_never_goes_back_and_the_cancelled_stay_silent() -> None:
    base = FakeClock()
    clock = AheadClock(base)
    called: list[str] = []
    timer = clock.call_later(10, lambda: called.append("no"))
    timer.cancel()
    clock.put(100)
    clock.put(50)
    await base.advance(0)
    assert (called, clock.ahead, clock.monotonic()) == ([], 100, 100.0)
    timer.cancel()


async def test_sleepers_wake() -> None:
    base = FakeClock()
    clock = AheadClock(base)
    tasks = TaskSet("test")
    task = tasks.spawn(clock.sleep(7200), name="sleeper")
    await base.settle()
    clock.put(7199)
    await base.advance(0)
    assert not task.done()
    await base.advance(1)
    assert task.done()
    await tasks.close()
