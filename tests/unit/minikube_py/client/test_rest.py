"""The client's verbs against a server that records what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import AlreadyExists, Conflict, Gone, NotFound, OtherStatus, TooManyRequests
from minikube_py.api.resources import CONFIGMAPS, NODES, PODS
from minikube_py.client.access import Access, TokenFile
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client, PatchKind
from minikube_py.client.transport import MOST_AT_ONCE
from tests.support.fakeapi import FakeAPI


@pytest_asyncio.fixture
async def api() -> AsyncIterator[FakeAPI]:
    async with FakeAPI() as running:
        yield running


@pytest_asyncio.fixture
async def client(api: FakeAPI) -> AsyncIterator[Client]:
    async with Client(api.url) as connected:
        yield connected


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"metadata": {"namespace": "default", "name": name}, "data": data}


async def test_the_life_of_an_object(api: FakeAPI, client: Client) -> None:
    created = await client.create(CONFIGMAPS, config_map("a", x="1"))
    assert created["metadata"]["resourceVersion"] == "101"
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAPS, config_map("a"))
    updated = await client.update(CONFIGMAPS, {**created, "data": {"x": "2"}})
    with pytest.raises(Conflict):
        await client.update(CONFIGMAPS, {**created, "data": {"x": "3"}})
    patched = await client.patch(CONFIGMAPS, "a", {"data": {"y": "4"}}, "default")
    assert patched["data"] == {"x": "2", "y": "4"}
    assert await client.get(CONFIGMAPS, "a", "default") == patched
    assert updated["data"] == {"x": "2"}
    await client.delete(CONFIGMAPS, "a", "default", propagation="Foreground", grace_seconds=0)
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIGMAPS, "a", "default")


async def test_subresources_have_their_own_paths(api: FakeAPI, client: Client) -> None:
    api.put(PODS, {"metadata": {"namespace": "default", "name": "p"}})
    await client.patch(PODS, "p", {"status": {"phase": "Running"}}, "default", subresource="status")
    await client.create(PODS, {"target": {"name": "n1"}}, "default", name="p", subresource="binding")
    assert [path for _, path, _ in api.requests] == [
        "/api/v1/namespaces/default/pods/p/status",
        "/api/v1/namespaces/default/pods/p/binding",
    ]
    pod = api.get(PODS, "p", "default")
    assert pod is not None
    assert (pod["status"], pod["spec"]) == ({"phase": "Running"}, {"nodeName": "n1"})


async def test_lists_join_their_pages_and_carry_kinds(api: FakeAPI, client: Client) -> None:
    for number in range(7):
        api.put(NODES, {"metadata": {"name": f"n{number}", "labels": {"odd": str(number % 2)}}})
    api.page_size = 2
    found = await client.list(NODES)
    assert [obj["metadata"]["name"] for obj in found.items] == [f"n{number}" for number in range(7)]
    assert {obj["kind"] for obj in found.items} == {"Node"}
    assert found.resource_version == "107"
    odd = await client.list(NODES, label_selector="odd=1", field_selector="metadata.name!=n1")
    assert [obj["metadata"]["name"] for obj in odd.items] == ["n3", "n5"]


async def test_a_list_whose_snapshot_expires_is_taken_again_whole(api: FakeAPI, client: Client) -> None:
    for number in range(5):
        api.put(NODES, {"metadata": {"name": f"n{number}"}})
    api.page_size = 2
    api.compact()
    assert len((await client.list(NODES)).items) == 5


async def test_patch_kinds_are_content_types(api: FakeAPI, client: Client) -> None:
    api.put(NODES, {"metadata": {"name": "n"}})
    await client.patch(NODES, "n", {"spec": {}}, kind=PatchKind.APPLY, field_manager="me", force=True)
    assert api.requests[-1][2] == {"fieldManager": "me", "force": "true"}


async def test_a_watch_gives_events_and_ends_in_good_order(api: FakeAPI, client: Client) -> None:
    api.put(NODES, {"metadata": {"name": "a"}})
    events = []
    async with aclosing(client.watch(NODES, resource_version="100")) as stream:
        async for event in stream:
            events.append((event.type, event.object["metadata"]["name"]))
            if len(events) == 1:
                api.put(NODES, {"metadata": {"name": "b"}})
            if len(events) == 2:
                api.end_watches()
    assert events == [("ADDED", "a"), ("ADDED", "b")]
    assert api.requests[0][2]["allowWatchBookmarks"] == "true"


async def test_a_watch_of_the_forgotten_past_is_gone(api: FakeAPI, client: Client) -> None:
    api.put(NODES, {"metadata": {"name": "a"}})
    api.compact()
    with pytest.raises(Gone):
        async for _ in client.watch(NODES, resource_version="50"):
            pass


@pytest.mark.parametrize("mid_event", [False, True])
async def test_a_watch_that_breaks_off_says_so(api: FakeAPI, client: Client, mid_event: bool) -> None:
    tasks = TaskSet("test")

    async def follow() -> None:
        async for _ in client.watch(NODES, resource_version="100"):
            pass

    following = tasks.spawn(follow(), name="follow")
    while not api.watching:  # noqa: ASYNC110 - the fake announces nothing
        await asyncio.sleep(0.001)
    if mid_event:
        api.send(b'{"type":"ADD')
        api.end_watches()
    else:
        api.break_watches()
    with pytest.raises(ConnectionFailed, match="watch"):
        await following
    await tasks.close()


async def test_come_back_later_is_followed(api: FakeAPI, client: Client) -> None:
    api.put(NODES, {"metadata": {"name": "n"}})
    api.faults.append(TooManyRequests("slow down"))
    with pytest.raises(TooManyRequests):  # without a Retry-After header there is nothing to follow
        await client.get(NODES, "n")


async def test_a_server_that_is_not_there(api: FakeAPI) -> None:
    await api.stop()
    async with Client(api.url) as client:
        with pytest.raises(ConnectionFailed, match=r"http://127\.0\.0\.1:\d+: GET /api/v1/nodes/n: "):
            await client.get(NODES, "n")


async def test_a_refusal_without_a_status_keeps_its_code(api: FakeAPI, client: Client) -> None:
    with pytest.raises(NotFound):
        await client.raw("/api/v1/unknown/x")
    api.faults.append(OtherStatus("teapot", code=418, reason="Teapot"))
    with pytest.raises(OtherStatus) as raised:
        await client.get(NODES, "n")
    assert raised.value.status_code == 418


async def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    source = TokenFile(path)
    assert source() == "first"
    renewed = tmp_path / "new"
    renewed.write_text("second")
    renewed.rename(path)
    assert source() == "second"


async def test_a_burst_shares_a_few_connections(api: FakeAPI, client: Client) -> None:
    api.put(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
    api.faults = ["hang"] * MOST_AT_ONCE
    waiting = [asyncio.ensure_future(client.get(CONFIGMAPS, "a", "default")) for _ in range(MOST_AT_ONCE + 1)]
    async with asyncio.timeout(60):
        while len(api.requests) < MOST_AT_ONCE:  # noqa: ASYNC110 - the server says nothing itself
            await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        waiting[0].cancel()
        assert (await waiting[-1])["metadata"]["name"] == "a"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_names_are_quoted_in_paths(api: FakeAPI, client: Client) -> None:
    with pytest.raises(NotFound):
        await client.get(PODS, "a/b?c", "default")
    assert api.requests[0][1].startswith("/api/v1/namespaces/default/pods/a/b")
    async with Client.from_access(Access(api.url)) as other:
        assert other.server == api.url


async def test_a_token_that_cannot_be_read_is_no_connection(api: FakeAPI, tmp_path: Path) -> None:
    async with Client(api.url, token=TokenFile(tmp_path / "missing")) as client:
        with pytest.raises(ConnectionFailed, match="No such file"):
            await client.get(NODES, "n")
