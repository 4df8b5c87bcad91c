"""The loop under all controllers: failures come back later, and never end it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest_asyncio

from minikube_py.aio.clock import FakeClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Conflict
from minikube_py.api.types import ObjectKey
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.writes import Writes
from tests.support.fakeapi import FakeAPI

KEY = ObjectKey("default", "a")


class Flaky(Controller):
    """Fails as it is told."""

    name: ClassVar[str] = "flaky"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.faults: list[Exception] = []
        self.calls: list[float] = []

    async def reconcile(self, key: ObjectKey) -> None:
        self.calls.append(self.clock.monotonic())
        if self.faults:
            raise self.faults.pop(0)


@pytest_asyncio.fixture
async def flaky() -> AsyncIterator[tuple[Flaky, FakeClock]]:
    async with FakeAPI() as api, Client(api.url) as client:
        clock, tasks = FakeClock(), TaskSet("test")
        informers = InformerSet(client, tasks, clock)
        recorder = EventRecorder(client, "test", clock=clock)
        controller = Flaky(Context(client, informers, Writes(client, informers), lambda _name: recorder, clock))
        await controller.start()
        yield controller, clock
        await controller.stop()
        await recorder.close()
        await tasks.close()


async def test_failures_are_tried_again_ever_later(flaky: tuple[Flaky, FakeClock]) -> None:
    controller, clock = flaky
    controller.faults = [Conflict("moved on"), ValueError("a bug"), Conflict("again")]
    controller.queue.add(KEY)
    await clock.advance(0.004)
    assert len(controller.calls) == 1
    await clock.advance(1)
    assert len(controller.calls) == 4
    gaps = [round(after - before, 3) for before, after in zip(controller.calls, controller.calls[1:], strict=False)]
    assert gaps == [0.005, 0.01, 0.02]


async def test_success_starts_the_delays_over(flaky: tuple[Flaky, FakeClock]) -> None:
    controller, clock = flaky
    controller.faults = [Conflict("x")] * 5
    controller.queue.add(KEY)
    await clock.advance(1)
    controller.calls.clear()
    controller.faults = [Conflict("x")]
    controller.queue.add(KEY)
    await clock.advance(1)
    assert round(controller.calls[1] - controller.calls[0], 3) == 0.005
