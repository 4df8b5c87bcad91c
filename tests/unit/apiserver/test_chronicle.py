"""The recent past with its authors."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest
from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.chronicle import Chronicle
from apiserver.routes.request import parse_request
from apiserver.store.store import Store
from minikube_py.aio.clock import FakeClock
from minikube_py.api import resources
from minikube_py.api.errors import BadRequest


class _Request:
    def __init__(self) -> None:
        self.headers = {"User-Agent": "kubectl/v1.37"}


def _told(chronicle: Chronicle, query: str = "") -> list[dict[str, Any]]:
    return cast(
        list[dict[str, Any]],
        orjson.loads(chronicle.answer(parse_request("GET", f"/debug/timeline{query}")).body)["writes"],
    )


async def _write(store: Store, chronicle: Chronicle, path: str, kind: resources.Resource, *names: str) -> None:
    async def serve(request: web.BaseRequest, info: object, user: Identity) -> web.StreamResponse:
        for name in names:
            store.collection(kind).create({"metadata": {"namespace": "shop", "name": name, "uid": name}})
        return web.Response()

    request = cast(web.BaseRequest, _Request())
    await chronicle.witness(serve)(request, parse_request("POST", path), Identity("ann"))


@pytest.fixture
def store() -> Store:
    return Store()


async def test_a_commit_knows_the_author_of_its_request(store: Store) -> None:
    clock = FakeClock()
    chronicle = Chronicle(clock)
    store.observers.append(chronicle.record)
    pods = "/api/v1/namespaces/shop/pods"
    await _write(store, chronicle, pods, resources.PODS, "a")
    await clock.advance(0.25)
    await _write(store, chronicle, pods, resources.SERVICES, "follows")  # the server's own doing
    await _write(store, chronicle, pods, resources.LEASES, "beat")
    first, second = _told(chronicle)
    assert (first["user"], first["agent"], first["verb"], first["kind"]) == ("ann", "kubectl/v1.37", "create", "Pod")
    assert first["object"]["metadata"]["name"] == "a" and first["previous"] is None
    assert second["user"] == "system:apiserver"
    assert (first["time"][-7:], second["time"][-7:]) == (".000000Z"[1:], ".250000Z"[1:])
    assert [each["kind"] for each in _told(chronicle, f"?after={first['revision']}")] == ["Service"]
    assert _told(chronicle, "?namespace=other") == []
    with pytest.raises(BadRequest):
        _told(chronicle, "?after=x")
