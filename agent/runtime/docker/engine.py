"""The Docker Engine API over its Unix socket: JSON calls, followed streams, hijacked connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from agent.runtime.protocol import RuntimeFault

#: Spoken by every engine since 20.10.
API_VERSION: Final = "v1.41"
#: Where an engine listens unless it is told otherwise.
DEFAULT_ENGINE: Final = Path("/var/run/docker.sock")
#: Calls under way at once; more wait for their turn.
_MOST_CALLS: Final = 32
_LONGEST_HEAD: Final = 64 * 1024


class EngineFault(RuntimeFault):
    """The engine refused: ``status`` is its HTTP status, the message its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__("EngineFault", message)
        self.status = status


class EngineGone(RuntimeFault):
    """The engine does not answer now."""

    def __init__(self, message: str) -> None:
        super().__init__("RuntimeUnavailable", f"the Docker engine does not answer: {message}")


class Engine:
    """One engine. ``open`` before use, ``close`` at the end."""

    def __init__(self, socket_path: Path) -> None:
        self._path = str(socket_path)
        self._calls: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None

    def open(self) -> None:
        self._calls = self._connected(_MOST_CALLS)
        self._streams = self._connected(0)  # without a limit: every container's log is followed as long as it lives

    async def close(self) -> None:
        for session in (self._calls, self._streams):
            if session is not None:
                await session.close()
        self._calls = self._streams = None

    def _connected(self, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(self._path, limit=limit)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        return aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def get(self, path: str, **query: Any) -> Any:
        return await self._call("GET", path, query)

    async def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        return await self._call("POST", path, query, body=body, headers=headers)

    async def delete(self, path: str, **query: Any) -> Any:
        return await self._call("DELETE", path, query)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, data: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of an answer as it comes, without a limit of time. Raises EngineFault, EngineGone."""
        try:
            async with _open(self._streams).request(
                method, self._url(path, query), data=data, headers=headers
            ) as response:  # fmt: skip
                if response.status >= 400:
                    raise EngineFault(response.status, _message(await response.read()))
                yield response.content
        except (aiohttp.ClientError, OSError) as error:
            raise EngineGone(str(error)) from error

    async def hijack(
        self, path: str, body: Any = None, **query: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection after the engine has switched protocols. Raises EngineFault, EngineGone."""
        data = json.dumps(body or {}).encode()
        head = (
            f"POST /{API_VERSION}{path}?{_encode(query)} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=_LONGEST_HEAD)
        except OSError as error:
            raise EngineGone(str(error)) from error
        try:
            writer.write(head.encode() + data)
            await _switched(reader)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _call(
        self, method: str, path: str, query: Mapping[str, Any], *, body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        try:
            async with _open(self._calls).request(
                method, self._url(path, query), json=body, headers=headers
            ) as response:  # fmt: skip
                data = await response.read()
                if response.status >= 400:
                    raise EngineFault(response.status, _message(data))
                return json.loads(data) if data and "json" in response.content_type else data
        except (aiohttp.ClientError, OSError) as error:
            raise EngineGone(str(error)) from error

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        return f"http://docker/{API_VERSION}{path}?{_encode(query)}"


def _open(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise EngineGone("the connection is closed")
    return session


def _encode(query: Mapping[str, Any]) -> str:
    """Booleans as 1 and 0, mappings as JSON, None left out."""
    values = {}
    for key, value in query.items():
        if value is None:
            continue
        if isinstance(value, bool):
            value = int(value)
        values[key] = json.dumps(value) if isinstance(value, dict) else str(value)
    return urlencode(values)


async def _switched(reader: asyncio.StreamReader) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
        raise EngineGone(f"it hung up: {error}") from error
    status = int(head.split(" ", 2)[1])
    if status in (101, 200):
        return
    length = next(
        (line for line in head.lower().split("\r\n") if line.startswith("content-length:")), "content-length:0"
    )
    raise EngineFault(status, _message(await reader.readexactly(int(length.partition(":")[2]))))


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode(errors="replace").strip()
