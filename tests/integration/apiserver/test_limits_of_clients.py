"""Clients that ask too much, read too slowly or send too slowly; and a server that stops among them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from apiserver import app
from apiserver.routes import api, bodies, watching
from minikube_py.api import resources
from tests.integration.apiserver.conftest import HTTP, Server

MAPS = "/api/v1/namespaces/default/configmaps"
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
    """A request whose body is still on its way is in flight; watches are not counted."""
    monkeypatch.setattr(api, "MOST_IN_FLIGHT", 1)
    slow = json.dumps({"metadata": {"name": "slow"}}).encode()
    reader, writer = await opened(server, head("POST", MAPS, **{"Content-Length": len(slow)}) + slow[:5])
    async with asyncio.timeout(PATIENCE):
        while (refused := await http("GET", MAPS)).status == 200:
            pass  # the server has not seen the beginning of the slow request yet
        assert refused.status == 429
        assert refused.headers["Retry-After"] == "1"
        assert (refused.body["reason"], refused.body["details"]["retryAfterSeconds"]) == ("TooManyRequests", 1)
        writer.write(slow[5:])
        assert b"201 Created" in await reader.readline()
    await ended(writer)
    assert (await http("GET", f"{MAPS}/slow")).status == 200


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
        await until(lambda: server.running.server._assembly.api._metrics.in_flight > 0)
        await server.running.server.stop()
        assert await half.read() == b""
        assert (await watch.read()).endswith(b"0\r\n\r\n")
    await ended(sender)
    await ended(watcher)
