"""Waits with a limit in the time of an injected Clock: asyncio's own limits know only the loop's time."""

from __future__ import annotations

import asyncio

from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet


async def wait_at_most(event: asyncio.Event, seconds: float, *, clock: Clock, tasks: TaskSet) -> None:
    """Returns when ``event`` is set or ``seconds`` have passed on ``clock``, whichever is first."""
    wake = asyncio.Event()
    timer = clock.call_later(seconds, wake.set)
    waiter = tasks.spawn(event.wait(), name="wait for an event")
    waiter.add_done_callback(lambda _: wake.set())
    try:
        await wake.wait()
    finally:
        timer.cancel()
        waiter.cancel()
