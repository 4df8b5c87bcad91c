"""Many short waits that mostly end before their time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from minikube_py.dataplane.userspace.engine import Deadlines, Engine


@pytest.fixture
def time() -> SimpleNamespace:
    return SimpleNamespace(now=100.0)


@pytest.fixture
def engine(time: SimpleNamespace) -> Iterator[Engine]:
    made = Engine(monotonic=lambda: time.now)
    with closing(SimpleNamespace(close=made.shut_down)):
        yield made


def test_they_fire_in_order_and_not_before_their_time(engine: Engine, time: SimpleNamespace) -> None:
    deadlines, fired = Deadlines(engine), []
    deadlines.start(3.0, lambda: fired.append("first"))
    time.now = 101.0
    deadlines.start(3.0, lambda: fired.append("second"))
    seen = []
    for now in (102.9, 103.0, 103.9, 104.0):
        time.now = now
        while engine.turn() == 0.0:
            pass
        seen.append(list(fired))
    assert seen == [[], ["first"], ["first"], ["first", "second"]]
    assert engine.turn() is None


def test_the_cancelled_do_not_fire_and_do_not_heap_up(engine: Engine, time: SimpleNamespace) -> None:
    deadlines, fired = Deadlines(engine), []
    for number in range(10_000):
        deadlines.start(3.0, lambda number=number: fired.append(number)).cancel()  # type: ignore[misc]
    assert len(deadlines) <= 1
    deadlines.start(3.0, lambda: fired.append("kept"))
    for _ in range(3):
        time.now += 3.0
        engine.turn()
    assert fired == ["kept"]


def test_one_that_fails_does_not_stop_the_others(engine: Engine, time: SimpleNamespace) -> None:
    deadlines, fired = Deadlines(engine), []
    deadlines.start(3.0, lambda: fired.append(1 / 0))
    deadlines.start(3.0, lambda: fired.append(2))
    time.now += 3.0
    while engine.turn() == 0.0:
        pass
    assert fired == [2]
