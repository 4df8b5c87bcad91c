"""Lists in pages and forms, watches from every starting point."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.apiserver.conftest import HTTP, Server

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
MERGE = "application/merge-patch+json"


async def make(http: HTTP, name: str, **labels: str) -> int:
    reply = await http("POST", MAPS, {"metadata": {"name": name, "labels": labels}})
    assert reply.status == 201, reply.body
    return int(reply.body["metadata"]["resourceVersion"])


def brief(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


async def test_pages(http: HTTP) -> None:
    for name in "abcde":
        await make(http, name, page="yes")
    first = (await http("GET", f"{MAPS}?limit=2")).body
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    assert "kind" not in first["items"][0]
    await http("DELETE", f"{MAPS}/d")
    await make(http, "z")
    second = (await http("GET", f"{MAPS}?limit=10&continue={first['metadata']['continue']}")).body
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d", "e"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_exact_and_not_older_lists(http: HTTP) -> None:
    revision = await make(http, "a")
    await make(http, "b")
    exact = (await http("GET", f"{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact")).body
    assert [item["metadata"]["name"] for item in exact["items"]] == ["a"]
    assert exact["metadata"]["resourceVersion"] == str(revision)
    newer = (await http("GET", f"{MAPS}?resourceVersion={revision}&resourceVersionMatch=NotOlderThan")).body
    assert [item["metadata"]["name"] for item in newer["items"]] == ["a", "b"]


async def test_tables_and_partial_objects(http: HTTP) -> None:
    await make(http, "a")
    table = (await http("GET", MAPS, Accept=TABLE)).body
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 0]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = (await http("GET", f"{MAPS}?includeObject=Object", Accept=TABLE)).body
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"
    partial = (await http("GET", MAPS, Accept=PARTIAL)).body
    assert partial["kind"] == "PartialObjectMetadataList"
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_yaml_answers(http: HTTP) -> None:
    await make(http, "a")
    reply = await http("GET", f"{MAPS}/a", Accept="application/yaml")
    assert reply.headers["Content-Type"] == "application/yaml"
    assert "kind: ConfigMap" in reply.body


async def test_a_large_list_arrives_whole_plain_and_compressed(http: HTTP) -> None:
    for index in range(40):
        await http("POST", MAPS, {"metadata": {"name": f"m{index:02}"}, "data": {"k": "x" * 20_000}})
    for encoding in ("identity", "gzip"):
        reply = await http("GET", MAPS, Accept_Encoding=encoding)
        assert len(reply.body["items"]) == 40
        assert reply.headers.get("Content-Encoding", "identity") == encoding


async def test_watch_from_nothing_from_zero_and_from_a_revision(http: HTTP) -> None:
    revision = await make(http, "a")
    await make(http, "b")
    for query in ("watch=1", "watch=true&resourceVersion=0"):
        assert brief(await http.events(f"{MAPS}?{query}", 2)) == [("ADDED", "a"), ("ADDED", "b")]
    assert brief(await http.events(f"{MAPS}?watch=1&resourceVersion={revision}", 1)) == [("ADDED", "b")]


async def test_a_streaming_list_ends_with_its_bookmark(http: HTTP) -> None:
    await make(http, "a")
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    events = await http.events(f"{MAPS}?{query}", 2)
    assert brief(events) == [("ADDED", "a"), ("BOOKMARK", "")]
    mark = events[1]["object"]
    assert (mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_live_events_and_selector_transitions(http: HTTP) -> None:
    revision = await make(http, "a")
    watch = asyncio.get_running_loop().create_task(
        http.events(f"{MAPS}?watch=1&resourceVersion={revision}&labelSelector=x%3Dy", 3)
    )
    await asyncio.sleep(0.05)
    for labels in ({"x": "y"}, {"x": "y", "z": "1"}, {"x": None}):
        await http("PATCH", f"{MAPS}/a", {"metadata": {"labels": labels}}, Content_Type=MERGE)
    assert brief(await watch) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_in_table_form_describes_its_columns_once(http: HTTP) -> None:
    revision = await make(http, "a")
    for query, names in ((f"watch=1&resourceVersion={revision}", "bc"), ("watch=1", "abcde")):
        async with http.session.get(f"{http.url}{MAPS}?{query}", headers={"Accept": TABLE}) as response:
            for name in names[-2:]:
                await make(http, name)
            tables = [json.loads(await response.content.readline())["object"] for _ in names]
        assert [table["rows"][0]["cells"][0] for table in tables] == list(names)
        described = [bool(table["columnDefinitions"]) for table in tables]
        assert described == [True] + [False] * (len(names) - 1)


async def test_a_compacted_revision_is_gone(server: Server) -> None:
    http = server.admin
    revision = await make(http, "a")
    await make(http, "b")
    first = (await http("GET", f"{MAPS}?limit=1")).body["metadata"]["continue"]
    await make(http, "c")
    server.running.server._store.compact(server.running.server._store.revision)
    events = await http.events(f"{MAPS}?watch=1&resourceVersion={revision}", 1)
    assert (events[0]["type"], events[0]["object"]["code"]) == ("ERROR", 410)
    reply = await http("GET", f"{MAPS}?limit=1&continue={first}")
    assert (reply.status, reply.body["reason"]) == (410, "Expired")
    fresh = reply.body["metadata"]["continue"]
    assert (await http("GET", f"{MAPS}?continue={fresh}")).status == 200


async def test_a_watch_ends_at_its_timeout_and_at_the_servers_stop(server: Server) -> None:
    async with server.admin.session.get(f"{server.admin.url}{MAPS}?watch=1&timeoutSeconds=1") as response:
        async with asyncio.timeout(60):
            assert await response.read() == b""
    async with server.admin.session.get(f"{server.admin.url}{MAPS}?watch=1") as response:
        async with asyncio.timeout(30):
            await server.running.server.stop()
            assert await response.read() == b""


async def test_a_client_that_leaves_leaves_no_watcher(server: Server) -> None:
    collection = next(each for each in server.running.server._store if each.resource.plural == "configmaps")
    response = await server.admin.session.get(f"{server.admin.url}{MAPS}?watch=1")
    assert len(collection.feeds) == 1
    response.close()
    for _ in range(100):
        if not len(collection.feeds):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the watcher is still there")


async def test_events_are_one_collection_in_two_groups(http: HTTP) -> None:
    event = {
        "metadata": {"name": "e1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "hello", "reason": "Test", "type": "Normal", "source": {"component": "test"},
    }  # fmt: skip
    assert (await http("POST", "/api/v1/namespaces/default/events", event)).status == 201
    shown = (await http("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e1")).body
    assert (shown["apiVersion"], shown["note"], shown["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "p")
    selected = (await http("GET", "/api/v1/events?fieldSelector=involvedObject.name%3Dp")).body["items"]
    assert len(selected) == 1


async def test_both_versions_of_an_autoscaler(http: HTTP) -> None:
    spec = {
        "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
    }  # fmt: skip
    base = "namespaces/default/horizontalpodautoscalers"
    assert (await http("POST", f"/apis/autoscaling/v1/{base}", {"metadata": {"name": "h"}, "spec": spec})).status == 201
    newer = (await http("GET", f"/apis/autoscaling/v2/{base}/h")).body
    assert newer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    older = (await http("GET", f"/apis/autoscaling/v1/{base}/h")).body
    assert older["spec"]["targetCPUUtilizationPercentage"] == 70
