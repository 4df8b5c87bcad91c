"""A write returns when the cache shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.resources import CONFIGMAPS, SECRETS
from minikube_py.api.types import Object
from minikube_py.client.informer import Informer
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.controllers.writes import CacheLags, Writes
from tests.support.fakeapi import FakeAPI


@dataclass
class Setup:
    api: FakeAPI
    writes: Writes
    informer: Informer


@pytest_asyncio.fixture
async def setup() -> AsyncIterator[Setup]:
    async with FakeAPI() as api, Client(api.url) as client:
        tasks = TaskSet("test")
        informers = InformerSet(client, tasks, SystemClock())
        writes = Writes(client, informers)
        informer = writes.follow(CONFIGMAPS)
        await informers.start()
        await informers.wait_synced()
        yield Setup(api, writes, informer)
        await tasks.close()


def configmap(name: str = "c", **data: str) -> Object:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def test_the_cache_has_what_was_written(setup: Setup) -> None:
    for number in range(20):
        created = await setup.writes.create(CONFIGMAPS, configmap(f"c{number}"))
        assert setup.informer.get("default", f"c{number}") == created
        updated = await setup.writes.update(CONFIGMAPS, created | {"data": {"a": "b"}})
        assert (setup.informer.get("default", f"c{number}") or {})["data"] == {"a": "b"}
        assert await setup.writes.delete(CONFIGMAPS, updated)
        assert setup.informer.get("default", f"c{number}") is None


async def test_many_at_once(setup: Setup) -> None:
    await asyncio.gather(*(setup.writes.create(CONFIGMAPS, configmap(f"c{number}")) for number in range(50)))
    assert len(setup.informer.list()) == 50


async def test_what_is_gone_already_is_no_error(setup: Setup) -> None:
    created = await setup.writes.create(CONFIGMAPS, configmap())
    assert await setup.writes.delete(CONFIGMAPS, created)
    assert not await setup.writes.delete(CONFIGMAPS, created)


async def test_a_status_that_is_the_same_is_not_sent(setup: Setup) -> None:
    created = await setup.writes.create(CONFIGMAPS, configmap())
    before = len(setup.api.requests)
    assert await setup.writes.update_status(CONFIGMAPS, created | {"status": {"a": 1}}, {"a": 1})
    assert len(setup.api.requests) == before


async def test_resources_that_nobody_follows_are_not_waited_for(setup: Setup) -> None:
    meta = {"name": "s", "namespace": "default"}
    await setup.writes.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta})


async def test_a_broken_watch_is_waited_for(setup: Setup) -> None:
    setup.api.break_watches()
    created = await setup.writes.create(CONFIGMAPS, configmap())
    assert setup.informer.get("default", "c") == created


async def test_what_another_client_deletes_meanwhile_is_not_waited_for(setup: Setup) -> None:
    setup.api.break_watches()
    creating = asyncio.gather(setup.writes.create(CONFIGMAPS, configmap()))
    while setup.api.get(CONFIGMAPS, "c", "default") is None:  # noqa: ASYNC110 - the fake API has no event for it
        await asyncio.sleep(0.001)
    setup.api.remove(CONFIGMAPS, "c", "default")
    await creating


async def test_a_server_with_an_older_memory_ends_the_wait(setup: Setup) -> None:
    for number in range(5):
        await setup.writes.create(CONFIGMAPS, configmap(f"c{number}"))
    setup.api.break_watches()
    creating = asyncio.gather(setup.writes.create(CONFIGMAPS, configmap("late")))
    while setup.api.get(CONFIGMAPS, "late", "default") is None:  # noqa: ASYNC110 - the fake API has no event for it
        await asyncio.sleep(0.001)
    await setup.api.restart(revision=5)
    with pytest.raises(CacheLags):
        await creating
