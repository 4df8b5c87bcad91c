"""Clients that ask too much, read too slowly or send too slowly; and a server that stops among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from apiserver import app
from apiserver.flowcontrol import levels
from apiserver.routes import bodies, watching
from minikube_py.api import resources
from tests.integration.apiserver.conftest import HTTP, Server

MAPS = "/api/v1/namespaces/default/configmaps"
FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1"
PATIENCE = 60.0


async def opened(server: Server, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of our own that has sent ``request``, and reads nothing until told to."""
    port = int(server.running.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=server.running.ssl, limit=1 << 10)
    writer.write(request)
    await writer.drain()
    return reader, writer


def head(method: str, path: str, **headers: Any) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def until(check: Callable[[], bool]) -> None:
    """Let the server work until something is so."""
    while not check():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


async def ended(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, OSError):
        pass


async def test_too_many_requests_are_told_when_to_come_back(
    server: Server, http: HTTP, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a seat nobody is served but who is exempt; watches take none."""
    monkeypatch.setattr(levels, "SEATS", 0)
    refused = await server.as_user("joe")("GET", MAPS)
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "1"
    assert (refused.body["reason"], refused.body["details"]["retryAfterSeconds"]) == ("TooManyRequests", 1)
    assert (await http("GET", MAPS)).status == 200
    assert (await server.as_user("joe")("GET", f"{MAPS}?watch=1")).status == 403
    text = (await http("GET", "/metrics")).body
    assert 'apiserver_flowcontrol_rejected_requests_total{priority_level="global-default"} 1' in text


async def test_answers_say_which_flow_they_belong_to(server: Server, http: HTTP) -> None:
    level = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
    made = await http("POST", f"{FLOWS}/prioritylevelconfigurations", {"metadata": {"name": "mine"}, "spec": level})
    subject = {"kind": "User", "user": {"name": "joe"}}
    rule = {"subjects": [subject], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version"]}]}
    spec = {"priorityLevelConfiguration": {"name": "mine"}, "matchingPrecedence": 900, "rules": [rule]}
    schema = await http("POST", f"{FLOWS}/flowschemas", {"metadata": {"name": "mine"}, "spec": spec})
    reply = await http("GET", "/version", Impersonate_User="joe")
    assert reply.headers["X-Kubernetes-PF-FlowSchema-UID"] == schema.body["metadata"]["uid"]
    assert reply.headers["X-Kubernetes-PF-PriorityLevel-UID"] == made.body["metadata"]["uid"]
    other = await server.as_user("ann")("GET", "/version")
    assert other.headers["X-Kubernetes-PF-FlowSchema-UID"] not in ("", schema.body["metadata"]["uid"])
    async with asyncio.timeout(PATIENCE):
        while not (found := (await http("GET", f"{FLOWS}/flowschemas/mine")).body["status"].get("conditions")):
            pass
    assert (found[0]["type"], found[0]["status"], found[0]["reason"]) == ("Dangling", "False", "Found")


async def test_a_body_that_does_not_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_BODY_SECONDS", 0.05)
    reader, writer = await opened(server, head("POST", MAPS, **{"Content-Length": 100}) + b"{")
    async with asyncio.timeout(PATIENCE):
        assert b"504" in await reader.readline()
    await ended(writer)


async def test_a_watcher_that_does_not_read_is_cut_off_and_nobody_waits_for_it(
    server: Server, http: HTTP, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LAG_LIMIT", 64 * 1024)
    feeds = server.running.server._store.collection(resources.CONFIGMAPS).feeds
    before = len(feeds)
    _, writer = await opened(server, head("GET", f"{MAPS}?watch=1"))
    async with asyncio.timeout(PATIENCE):
        await until(lambda: len(feeds) > before)
        assert (await http("POST", MAPS, {"metadata": {"name": "big"}, "data": {"k": ""}})).status == 201
        for number in range(200):  # more than all the buffers between us hold
            body = {"data": {"k": str(number) + "x" * 500_000}}
            assert (await http("PUT", f"{MAPS}/big", {"metadata": {"name": "big"}, **body})).status == 200
            if len(feeds) == before:
                break
        assert len(feeds) == before
    await ended(writer)


async def test_a_list_goes_at_its_readers_pace(server: Server, http: HTTP) -> None:
    """What a slow reader has not taken waits as objects, not as bytes; others are served meanwhile."""
    for number in range(40):
        body = {"metadata": {"name": f"m{number}"}, "data": {"k": "x" * 500_000}}
        assert (await http("POST", MAPS, body)).status == 201
    reader, writer = await opened(server, head("GET", MAPS))
    async with asyncio.timeout(PATIENCE):
        assert b"200 OK" in await reader.readline()
        for _ in range(20):
            assert (await http("GET", f"{MAPS}/m1")).status == 200
        (connection,) = [each for each in server.running.server._http.connections if each.writing_paused]
        assert connection.transport.get_write_buffer_size() < 4 << 20
        read, piece = 0, b""
        while not piece.endswith(b"0\r\n\r\n"):
            piece = await reader.read(1 << 20)
            read += len(piece)
    assert read > 40 * 500_000
    await ended(writer)


async def test_stopping_waits_for_nobody_who_does_not_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watches are ended in order, a request that is half there is dropped: neither uses up the time for answers."""
    monkeypatch.setattr(app, "DRAIN_SECONDS", 3600.0)
    half, sender = await opened(server, head("POST", MAPS, **{"Content-Length": 100}) + b"{")
    watch, watcher = await opened(server, head("GET", f"{MAPS}?watch=1"))
    async with asyncio.timeout(PATIENCE):
        assert b"200 OK" in await watch.readline()
        await until(lambda: server.running.server._assembly.api._flows.taken > 0)
        await server.running.server.stop()
        assert await half.read() == b""
        assert (await watch.read()).endswith(b"0\r\n\r\n")
    await ended(sender)
    await ended(watcher)
