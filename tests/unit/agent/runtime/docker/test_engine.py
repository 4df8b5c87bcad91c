"""Calls and followed streams do not stand in each other's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from agent.runtime.docker.engine import API_VERSION, Engine, EngineGone

MANY = 100


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine whose logs never end."""
    ended = asyncio.Event()

    async def logs(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\n")
        await ended.wait()
        return response

    async def info(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_get(f"/{API_VERSION}/logs", logs)
    app.router.add_get(f"/{API_VERSION}/info", info)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "docker.sock")).start()
    client = Engine(tmp_path / "docker.sock")
    client.open()
    yield client
    ended.set()
    await client.close()
    await runner.cleanup()


async def test_followed_logs_leave_room_for_calls(engine: Engine) -> None:
    """A node has more containers than any pool has connections, and each one's log is followed for its life."""
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        for _ in range(MANY):
            body = await stack.enter_async_context(engine.stream("GET", "/logs"))
            assert await body.readline() == b"first\n"
        answers = await asyncio.gather(*(engine.get("/info") for _ in range(MANY)))
    assert answers == [{"ok": True}] * MANY


async def test_a_closed_engine_is_away(tmp_path: Path) -> None:
    with pytest.raises(EngineGone, match="closed"):
        await Engine(tmp_path / "none").get("/info")
