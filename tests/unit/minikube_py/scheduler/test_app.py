"""The scheduler at work against an API that refuses, vanishes and changes under it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import InternalError
from minikube_py.api.resources import EVENTS, NODES, PODS
from minikube_py.api.types import Object
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.scheduler.app import Scheduler
from tests.support.fakeapi import FakeAPI


@dataclass
class Setup:
    api: FakeAPI
    client: Client
    scheduler: Scheduler

    def bound(self) -> list[str]:
        """Pods for which a binding was asked for, in order."""
        posts = [path for method, path, _ in self.api.requests if method == "POST" and path.endswith("/binding")]
        return [path.split("/")[-2] for path in posts]

    async def until_bound(self, count: int) -> list[str]:
        async with asyncio.timeout(60):
            while len(self.bound()) < count:  # noqa: ASYNC110 - the fake API has no event for it
                await asyncio.sleep(0.005)
        return self.bound()


@pytest_asyncio.fixture
async def setup() -> AsyncIterator[Setup]:
    async with FakeAPI() as api, Client(api.url) as client:
        tasks, clock = TaskSet("test"), SystemClock()
        recorder = EventRecorder(client, "default-scheduler")
        informers = InformerSet(client, tasks, clock)
        scheduler = Scheduler(
            client=client, informers=informers, recorder=recorder, clock=clock, choice=random.Random(1)
        )
        await scheduler.start()
        yield Setup(api, client, scheduler)
        await scheduler.stop()
        await recorder.close()
        await tasks.close()


def node(name: str, cpu: str = "1") -> Object:
    room = {"cpu": cpu, "memory": "1Gi", "pods": "10"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"allocatable": room}}


def pod(name: str, cpu: str = "600m", **spec: Any) -> Object:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]} | spec}


async def test_room_is_given_once(setup: Setup) -> None:
    await setup.client.create(NODES, node("a"))
    for name in ("p1", "p2", "p3"):
        await setup.client.create(PODS, pod(name))
    await setup.until_bound(1)
    await asyncio.sleep(0.1)
    assert len(setup.bound()) == 1


async def test_high_priority_goes_first(setup: Setup) -> None:
    await setup.client.create(PODS, pod("low"))
    await setup.client.create(PODS, pod("high", priority=100))
    await asyncio.sleep(0.05)
    await setup.client.create(NODES, node("a"))
    assert (await setup.until_bound(1))[0] == "high"


@pytest.mark.parametrize("spec", [{"schedulerName": "other"}, {"schedulingGates": [{"name": "wait"}]}])
async def test_pods_that_are_not_ours_or_not_yet(setup: Setup, spec: Object) -> None:
    await setup.client.create(NODES, node("a"))
    await setup.client.create(PODS, pod("p", **spec))
    await asyncio.sleep(0.05)
    assert setup.bound() == []
    assert setup.scheduler.debug()["waiting"] == 0


async def test_a_binding_that_fails_frees_its_room_and_is_tried_again(setup: Setup) -> None:
    await setup.client.create(PODS, pod("p"))
    await asyncio.sleep(0.05)  # the refusal has been explained; the next request is the binding
    setup.api.faults.append(InternalError("etcd is having a bad day"))
    setup.api.put(NODES, node("a"))
    assert await setup.until_bound(2) == ["p", "p"]


async def test_an_api_server_that_restarts_is_followed(setup: Setup) -> None:
    await setup.client.create(NODES, node("a"))
    await setup.api.restart(revision=5, keep=True)
    setup.api.put(PODS, pod("p"))
    assert await setup.until_bound(1) == ["p"]


async def test_room_comes_back_when_a_pod_goes(setup: Setup) -> None:
    await setup.client.create(NODES, node("a"))
    await setup.client.create(PODS, pod("p1"))
    await setup.until_bound(1)
    await setup.client.create(PODS, pod("p2"))
    await asyncio.sleep(0.05)
    assert setup.bound() == ["p1"]
    setup.api.remove(PODS, "p1", "default")
    assert await setup.until_bound(2) == ["p1", "p2"]


async def test_idle_means_idle(setup: Setup) -> None:
    await setup.client.create(PODS, pod("p"))
    async with asyncio.timeout(60):
        while not setup.api.list(EVENTS):  # noqa: ASYNC110 - why it waits is the last thing that is told
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)
    before = len(setup.api.requests)
    await asyncio.sleep(0.3)
    assert len(setup.api.requests) == before
