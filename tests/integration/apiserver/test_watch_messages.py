"""Watches over WebSocket, as browsers ask for them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from minikube_py.api.resources import CONFIGMAPS
from tests.integration.apiserver.conftest import HTTP, Server

MAPS = "/api/v1/namespaces/default/configmaps"
PATIENCE = 60.0


@pytest.mark.parametrize("accept", ["application/json", "application/vnd.kubernetes.protobuf;stream=watch"])
async def test_each_event_is_a_message(server: Server, http: HTTP, accept: str) -> None:
    await http("POST", MAPS, {"metadata": {"name": "first"}})
    collection = server.running.server._store.collection(CONFIGMAPS)
    before = len(collection.feeds)
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        url = f"{server.running.url}{MAPS}?watch=1"
        async with session.ws_connect(url, ssl=server.running.ssl, headers={"Accept": accept}) as socket:
            assert name_in(await socket.receive(), b"ADDED", b"first")
            await http("POST", MAPS, {"metadata": {"name": "second"}})
            assert name_in(await socket.receive(), b"ADDED", b"second")
            await http("DELETE", f"{MAPS}/first")
            assert name_in(await socket.receive(), b"DELETED", b"first")
            await socket.send_str("ignored")
        while len(collection.feeds) != before:  # the client has closed
            await http("GET", "/healthz")


async def test_a_watch_that_cannot_be_begins_and_ends_with_an_error(server: Server) -> None:
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        url = f"{server.running.url}{MAPS}?watch=1&resourceVersion=1"
        async with session.ws_connect(url, ssl=server.running.ssl) as socket:
            event = await socket.receive_json()
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


def name_in(message: Any, kind: bytes, name: bytes) -> bool:
    data = message.data if isinstance(message.data, bytes) else message.data.encode()
    return kind in data and name in data
