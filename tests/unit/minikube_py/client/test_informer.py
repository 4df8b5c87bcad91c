"""Informers against a server that fails in every way a real one can."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from minikube_py.aio.clock import FakeClock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Forbidden, ServiceUnavailable
from minikube_py.api.resources import NODES, PODS
from minikube_py.api.types import Object
from minikube_py.client.informer import Informer
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from tests.support.fakeapi import FakeAPI


class Following:
    """An informer of Nodes and the objects that its subscriber believes in."""

    def __init__(self, api: FakeAPI, client: Client, tasks: TaskSet) -> None:
        self.api = api
        self.informer = Informer(client, NODES, tasks=tasks, clock=SystemClock())
        self.heard: list[str] = []
        self.believed: dict[str, str] = {}
        self.informer.subscribe(self._hear)
        self.informer.start()

    def _hear(self, old: Object | None, new: Object | None) -> None:
        sign = "+" if old is None else "-" if new is None else "~"
        name = (new or old or {})["metadata"]["name"]
        self.heard.append(f"{sign}{name}")
        if new is None:
            del self.believed[name]
        else:
            self.believed[name] = new["metadata"]["resourceVersion"]
        cached = self.informer.get(None, name)
        assert cached is new, "the cache is up to date before its subscribers are told"

    async def caught_up(self) -> None:
        """Until the subscriber believes what the server has."""
        await until(
            lambda: (
                self.believed
                == {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in self.api.list(NODES)}
            )
        )

    async def watching(self) -> None:
        await until(lambda: self.informer.synced and self.api.watching == 1)


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.002)


def node(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


@pytest_asyncio.fixture
async def api() -> AsyncIterator[FakeAPI]:
    async with FakeAPI() as running:
        yield running


@pytest_asyncio.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    owner = TaskSet("test", on_failure=lambda name, error: pytest.fail(f"{name}: {error}"))
    yield owner
    await owner.close()


@pytest_asyncio.fixture
async def client(api: FakeAPI, tasks: TaskSet) -> AsyncIterator[Client]:
    async with Client(api.url) as connected:
        yield connected
        await tasks.close()


@pytest_asyncio.fixture
async def following(api: FakeAPI, client: Client, tasks: TaskSet) -> Following:
    return Following(api, client, tasks)


async def test_list_then_watch(api: FakeAPI, following: Following) -> None:
    api.put(NODES, node("a"))
    await following.watching()
    api.put(NODES, node("b"))
    api.put(NODES, node("a", x="y"))
    api.remove(NODES, "b")
    await until(lambda: len(following.heard) == 4)
    assert following.heard == ["+a", "+b", "~a", "-b"]
    assert following.informer.resource_version == str(api.revision)


async def test_the_stream_may_end_and_goes_on_where_it_stood(api: FakeAPI, following: Following) -> None:
    await following.watching()
    api.put(NODES, node("a"))
    await following.caught_up()
    api.end_watches()
    api.put(NODES, node("b"))
    await following.caught_up()
    assert following.heard == ["+a", "+b"]
    assert sum(1 for _, _, query in api.requests if "watch" not in query) == 1, "no second list was needed"


async def test_after_410_the_lists_are_compared(api: FakeAPI, following: Following) -> None:
    for name in ("kept", "changed", "gone"):
        api.put(NODES, node(name))
    await following.watching()
    await following.caught_up()
    api.end_watches()
    await asyncio.sleep(0)
    api.put(NODES, node("changed", x="y"))
    api.remove(NODES, "gone")
    api.put(NODES, node("new"))
    api.compact()
    await following.caught_up()
    assert following.heard[3:] == ["-gone", "~changed", "+new"] or following.heard[3:] == ["~changed", "-gone", "+new"]


@pytest.mark.parametrize("cut", [b"", b'{"type":"MODIFIED","object":{"metadata":{"na'])
async def test_a_connection_that_breaks_loses_nothing(api: FakeAPI, following: Following, cut: bytes) -> None:
    api.put(NODES, node("a"))
    await following.watching()
    await following.caught_up()
    if cut:
        api.send(cut)
    api.break_watches()
    api.remove(NODES, "a")
    api.put(NODES, node("b"))
    await following.caught_up()
    assert following.heard[0] == "+a"
    assert sorted(following.heard[1:]) == ["+b", "-a"]


async def test_garbage_in_the_stream_is_a_broken_connection(api: FakeAPI, following: Following) -> None:
    await following.watching()
    api.send(b"HTTP/1.1 200 this is no event\n")
    api.put(NODES, node("a"))
    await following.caught_up()


async def test_duplicate_and_stale_events_are_not_told_again(api: FakeAPI, following: Following) -> None:
    await following.watching()
    first = api.put(NODES, node("a"))
    second = api.put(NODES, node("a", x="y"))
    for stale in (second, first, second):
        api.send(json.dumps({"type": "MODIFIED", "object": stale}).encode() + b"\n")
    api.put(NODES, node("end"))
    await following.caught_up()
    assert following.heard == ["+a", "~a", "+end"]


async def test_a_server_that_starts_over_counts_from_the_beginning(api: FakeAPI, following: Following) -> None:
    api.put(NODES, node("old"))
    api.put(NODES, node("both"))
    await following.watching()
    await following.caught_up()
    await api.restart(revision=1)
    api.put(NODES, node("both"))
    api.put(NODES, node("new"))
    await following.caught_up()
    assert set(following.believed) == {"both", "new"}
    await following.watching()
    api.put(NODES, node("later"))
    await following.caught_up()


async def test_a_server_that_is_away_is_waited_for(api: FakeAPI, following: Following) -> None:
    await following.watching()
    await api.stop()
    api.put(NODES, node("a"))
    await asyncio.sleep(0.2)
    await api.start()
    await following.caught_up()


async def test_refusals_are_retried(api: FakeAPI, client: Client, tasks: TaskSet) -> None:
    api.faults += [Forbidden("not yet"), ServiceUnavailable("starting")]
    following = Following(api, client, tasks)
    api.put(NODES, node("a"))
    await following.caught_up()


async def test_bookmarks_move_the_revision_only(api: FakeAPI, following: Following) -> None:
    await following.watching()
    api.revision = 500
    api.send(b'{"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"500"}}}\n')
    await until(lambda: following.informer.resource_version == "500")
    assert following.heard == []


async def test_a_slow_subscriber_gets_everything(api: FakeAPI, following: Following) -> None:
    await following.watching()
    following.informer.subscribe(lambda old, new: time.sleep(0.002))
    for number in range(100):
        api.put(NODES, node(f"n{number % 10}", number=str(number)))
    await following.caught_up()
    assert len(following.heard) == 100


async def test_a_subscriber_that_fails_harms_nobody(api: FakeAPI, following: Following) -> None:
    def broken(old: Object | None, new: Object | None) -> None:
        raise RuntimeError("broken subscriber")

    unsubscribe = following.informer.subscribe(broken)
    await following.watching()
    api.put(NODES, node("a"))
    api.put(NODES, node("b"))
    await following.caught_up()
    unsubscribe()


async def test_late_subscribers_hear_of_what_is_known(api: FakeAPI, following: Following) -> None:
    api.put(NODES, node("a"))
    await following.caught_up()
    heard: list[Object | None] = []
    following.informer.subscribe(lambda old, new: heard.append(new))
    assert heard == following.informer.list()


async def test_managed_fields_are_not_kept(api: FakeAPI, following: Following) -> None:
    api.put(NODES, {"metadata": {"name": "a", "managedFields": [{"manager": "m"}]}})
    await following.caught_up()
    await following.watching()
    api.put(NODES, {"metadata": {"name": "b", "managedFields": [{"manager": "m"}]}})
    await following.caught_up()
    assert all("managedFields" not in obj["metadata"] for obj in following.informer.list())


async def test_a_watch_that_hangs_is_replaced(api: FakeAPI, client: Client, tasks: TaskSet) -> None:
    """No answer, no end: given up a little after the time at which the server should have ended it."""
    clock = FakeClock()
    async with Client(api.url, clock=clock) as fake_timed:
        informer = Informer(fake_timed, NODES, tasks=tasks, clock=clock)
        informer.start()
        await until(lambda: api.watching == 1)
        before = len(api.requests)
        api._watchers.clear()  # the server forgets the watch but keeps the connection
        await clock.advance(700)
        await until(lambda: clock.waiting > 0)
        await clock.advance(10)
        await until(lambda: len(api.requests) >= before + 2)
        await informer.stop()


async def test_informers_are_shared_by_scope(api: FakeAPI, client: Client, tasks: TaskSet) -> None:
    informers = InformerSet(client, tasks, SystemClock())
    nodes = informers.of(NODES)
    assert informers.of(NODES) is nodes
    mine = informers.of(PODS, field_selector="spec.nodeName=n1", indexers={"phase": lambda pod: [pod["phase"]]})
    assert mine is not informers.of(PODS)
    api.put(PODS, {"metadata": {"namespace": "x", "name": "a"}, "spec": {"nodeName": "n1"}, "phase": "Running"})
    api.put(PODS, {"metadata": {"namespace": "y", "name": "b"}, "spec": {"nodeName": "n2"}, "phase": "Running"})
    await informers.start()
    await informers.wait_synced()
    assert informers.synced
    assert [pod["metadata"]["name"] for pod in mine.list()] == ["a"]
    assert [pod["metadata"]["name"] for pod in mine.by_index("phase", "Running")] == ["a"]
    assert [pod["metadata"]["name"] for pod in informers.of(PODS).list("y")] == ["b"]
    late = informers.of(NODES, label_selector="x=y")
    await late.wait_synced()
    await informers.stop()
    assert mine.get("x", "a") is not None


async def test_what_is_not_required_is_not_waited_for(api: FakeAPI, client: Client, tasks: TaskSet) -> None:
    informers = InformerSet(client, tasks, SystemClock())
    optional = informers.of(NODES, required=False)
    api.faults += [Forbidden("never")] * 50
    await informers.start()
    async with asyncio.timeout(60):
        await informers.wait_synced()
    assert informers.synced
    assert not optional.synced
    informers.of(NODES)
    assert not informers.synced
    await informers.stop()
