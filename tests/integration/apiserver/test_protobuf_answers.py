"""Answers in protobuf: the same as those in JSON, object by object, list by list, event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from apiserver.schema.protobuf import ProtobufReader, open_envelope
from apiserver.schema.protowire import fields
from apiserver.schema.schema import FieldValidation, Kind, Schema
from tests.integration.apiserver.conftest import HTTP

PROTOBUF = "application/vnd.kubernetes.protobuf"
MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
PARTIAL = f"{PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
POD = {
    "metadata": {"name": "p", "labels": {"a": "b"}, "annotations": {"n": "ü"}},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "i",
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "100m"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 3},
            }
        ],
        "volumes": [{"name": "empty", "emptyDir": {}}, {"name": "map", "configMap": {"name": "m", "optional": False}}],
    },
}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.load()


def opened(schema: Schema, body: bytes) -> dict[str, Any]:
    """A message as the minimal form of the object in it."""
    envelope = open_envelope(body)
    group, _, version = envelope.api_version.rpartition("/")
    kind = Kind(group, version, envelope.kind)
    if kind.kind.endswith("List"):
        name = schema.model.kind(*kind) or f"io.k8s.apimachinery.pkg.apis.meta.v1.{kind.kind}"
        return ProtobufReader(schema.model).decode(name, envelope.raw) | {"kind": kind.kind}
    return schema.decode_body(body, PROTOBUF, kind).object


def minimal(schema: Schema, obj: dict[str, Any]) -> dict[str, Any]:
    group, _, version = obj["apiVersion"].rpartition("/")
    return schema.decode(obj, Kind(group, version, obj["kind"]), FieldValidation.IGNORE).object


async def message(http: HTTP, method: str, path: str, body: Any = None, *, accept: str = PROTOBUF) -> tuple[int, bytes]:
    async with http.session.request(method, http.url + path, json=body, headers={"Accept": accept}) as response:
        assert response.content_type == PROTOBUF, await response.text()
        return response.status, await response.read()


async def test_objects_are_the_same_in_both_forms(http: HTTP, schema: Schema) -> None:
    status, created = await message(http, "POST", PODS, POD)
    assert status == 201
    plain = (await http("GET", f"{PODS}/p")).body
    assert opened(schema, created) == minimal(schema, plain)
    assert opened(schema, (await message(http, "GET", f"{PODS}/p", accept=f"{PROTOBUF}, */*"))[1]) == minimal(
        schema, plain
    )


async def test_refusals_too(http: HTTP, schema: Schema) -> None:
    status, body = await message(http, "GET", f"{PODS}/nobody")
    assert status == 404
    found = opened(schema, body)
    assert (found["kind"], found["reason"], found["details"]["name"]) == ("Status", "NotFound", "nobody")


@pytest.mark.parametrize("count", [0, 3, 60])
async def test_lists_small_and_streamed(http: HTTP, schema: Schema, count: int) -> None:
    for number in range(count):
        await http("POST", MAPS, {"metadata": {"name": f"m{number:03}"}, "data": {"k": "v" * 5000}})
    _, body = await message(http, "GET", MAPS)
    found, plain = opened(schema, body), (await http("GET", MAPS)).body
    assert found["kind"] == "ConfigMapList"
    assert found["metadata"]["resourceVersion"] == plain["metadata"]["resourceVersion"]
    assert [item["metadata"]["uid"] for item in found.get("items", ())] == [
        item["metadata"]["uid"] for item in plain["items"]
    ]
    _, partial = await message(http, "GET", MAPS, accept=PARTIAL)
    metas = opened(schema, partial).get("items", [])
    assert len(metas) == len(plain["items"]) and all(set(item) == {"metadata"} for item in metas)


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, bytes]]:
    """The events of a stream: their types and envelopes."""
    while True:
        length = int.from_bytes(await response.content.readexactly(4), "big")
        event = dict(fields(await response.content.readexactly(length)))
        kind, raw = event[1], event[2]
        assert isinstance(kind, bytes) and isinstance(raw, bytes)
        envelope = dict(fields(raw))[1]
        assert isinstance(envelope, bytes)
        yield kind.decode(), envelope


async def test_a_watch_in_frames(http: HTTP, schema: Schema) -> None:
    await http("POST", MAPS, {"metadata": {"name": "before"}, "data": {"a": "b"}})
    url = f"{http.url}{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    headers = {"Accept": f"{PROTOBUF}, */*"}
    async with asyncio.timeout(60), http.session.get(url, headers=headers) as response:
        assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
        events = frames(response)
        seen = [await anext(events)]
        while seen[-1][0] != "BOOKMARK":
            seen.append(await anext(events))
        first = {opened(schema, body)["metadata"]["name"]: kind for kind, body in seen[:-1]}
        assert first["before"] == "ADDED"
        mark = opened(schema, seen[-1][1])
        assert mark["kind"] == "ConfigMap"
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await http("DELETE", f"{MAPS}/before")
        kind, body = await anext(events)
        assert (kind, opened(schema, body)["data"]) == ("DELETED", {"a": "b"})


async def test_a_watch_that_cannot_be(http: HTTP, schema: Schema) -> None:
    url = f"{http.url}{MAPS}?watch=1&resourceVersion=1"
    async with asyncio.timeout(60), http.session.get(url, headers={"Accept": PROTOBUF}) as response:
        kind, body = await anext(frames(response))
    assert (kind, opened(schema, body)["code"]) == ("ERROR", 410)


async def test_what_has_no_protobuf_form_stays_json(http: HTTP) -> None:
    assert (await http("GET", "/version", Accept=f"{PROTOBUF}, */*")).body["major"] == "1"
    table = f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io"
    assert (await http("GET", MAPS, Accept=table)).body["kind"] == "Table"
