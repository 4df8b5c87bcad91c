"""The work queue's guarantees, as client-go's tests state them."""

from __future__ import annotations

import asyncio

import pytest

from minikube_py.aio.backoff import KeyedBackoff
from minikube_py.aio.clock import FakeClock
from minikube_py.aio.queue import QueueShutDown, WorkQueue
from minikube_py.aio.tasks import TaskSet


async def test_a_key_is_queued_once() -> None:
    queue = WorkQueue[str]()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_in_work_is_not_handed_out_twice() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_adding_wakes_one_waiting_worker_each() -> None:
    queue, tasks, got = WorkQueue[int](), TaskSet("test"), list[int]()

    async def worker() -> None:
        got.append(await queue.get())

    for number in range(3):
        tasks.spawn(worker(), name=str(number))
    await asyncio.sleep(0)
    queue.add(1)
    queue.add(2)
    await FakeClock().settle()
    assert got == [1, 2]
    await tasks.close()


async def test_a_cancelled_worker_loses_no_key() -> None:
    queue, tasks, got = WorkQueue[str](), TaskSet("test"), list[str]()

    async def worker() -> None:
        got.append(await queue.get())

    cancelled = tasks.spawn(worker(), name="cancelled")
    tasks.spawn(worker(), name="kept")
    await asyncio.sleep(0)
    queue.add("a")
    cancelled.cancel()
    await FakeClock().settle()
    assert got == ["a"]
    await tasks.close()


async def test_delayed_keys_keep_the_earlier_time() -> None:
    clock = FakeClock()
    queue = WorkQueue[str](clock=clock)
    queue.add_after("a", 10)
    queue.add_after("a", 50)
    queue.add_after("b", 50)
    queue.add_after("b", 5)
    await clock.advance(5)
    assert await queue.get() == "b"
    await clock.advance(5)
    assert await queue.get() == "a"
    await clock.advance(100)
    assert len(queue) == 0


async def test_failures_wait_longer_each_time_until_forgotten() -> None:
    clock = FakeClock()
    queue = WorkQueue[str](clock=clock, rate_limit=KeyedBackoff(1, 100))
    for delay in (1, 2, 4):
        queue.add_rate_limited("a")
        await clock.advance(delay - 0.5)
        assert len(queue) == 0
        await clock.advance(0.5)
        queue.done(await queue.get())
    queue.forget("a")
    queue.add_rate_limited("a")
    await clock.advance(1)
    assert len(queue) == 1


async def test_shut_down_drains_and_ends_the_workers() -> None:
    clock, tasks = FakeClock(), TaskSet("test")
    queue = WorkQueue[str](clock=clock)
    queue.add("a")
    queue.add_after("b", 1)
    queue.shut_down()
    queue.add("c")
    assert await queue.get() == "a"
    with pytest.raises(QueueShutDown):
        await queue.get()
    assert clock.waiting == 0
    waiting = WorkQueue[str]()
    task = tasks.spawn(waiting.get(), name="worker")
    await asyncio.sleep(0)
    waiting.shut_down()
    with pytest.raises(QueueShutDown):
        await task
    await tasks.close()
