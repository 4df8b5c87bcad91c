"""A running API server and a bare HTTP client for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from minikube_py.config.parts import ApiAccess
from tests.support.apiserver import RunningAPI, client_context, running_apiserver


@dataclass
class Reply:
    """An answer: its status, headers and parsed body (or text, where it is not JSON)."""

    status: int
    headers: Any
    body: Any


class HTTP:
    """Requests in the name of one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        data = json.dumps(body) if isinstance(body, dict | list) else body
        sent = {"Content-Type": "application/json"} if data is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return Reply(response.status, response.headers, json.loads(raw) if is_json else raw.decode())

    async def events(self, path: str, count: int) -> list[dict[str, Any]]:
        """The first ``count`` events of a watch."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(60), self.session.get(self.url + path) as response:
            assert response.status == 200, await response.text()
            while len(found) < count and (line := await response.content.readline()):
                found.append(json.loads(line))
        return found


@dataclass
class Server:
    """The server and clients to it."""

    running: RunningAPI
    admin: HTTP
    sessions: list[aiohttp.ClientSession]

    def as_user(self, user: str, *groups: str) -> HTTP:
        """A client with another certificate."""
        return HTTP(open_session(self.sessions, self.running.access_of(user, *groups)), self.running.url)

    def anonymous(self, token: str = "") -> HTTP:
        """A client without a certificate."""
        access = ApiAccess(server=self.running.url, ca=self.running.authority.pair.certificate)
        session = open_session(self.sessions, access)
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        return HTTP(session, self.running.url)


def open_session(sessions: list[aiohttp.ClientSession], access: ApiAccess) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_context(access)))
    sessions.append(session)
    return session


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    sessions: list[aiohttp.ClientSession] = []
    async with running_apiserver(tmp_path) as running:
        try:
            yield Server(running, HTTP(open_session(sessions, running.access), running.url), sessions)
        finally:
            for session in sessions:
                await session.close()


@pytest.fixture
def http(server: Server) -> HTTP:
    return server.admin
