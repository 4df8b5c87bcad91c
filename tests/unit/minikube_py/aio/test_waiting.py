"""Waits with a limit on an injected clock."""

from __future__ import annotations

import asyncio

from minikube_py.aio.clock import FakeClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.aio.waiting import wait_at_most


async def test_the_event_ends_the_wait_and_leaves_no_timer() -> None:
    clock, tasks, event = FakeClock(), TaskSet("test"), asyncio.Event()
    waiting = tasks.spawn(wait_at_most(event, 10, clock=clock, tasks=tasks), name="waiting")
    await clock.advance(9)
    assert not waiting.done()
    event.set()
    await waiting
    assert clock.waiting == 0
    await tasks.close()


async def test_the_limit_ends_the_wait() -> None:
    clock, tasks, event = FakeClock(), TaskSet("test"), asyncio.Event()
    waiting = tasks.spawn(wait_at_most(event, 10, clock=clock, tasks=tasks), name="waiting")
    await clock.advance(10)
    await waiting
    assert not event.is_set()
    await tasks.close()
