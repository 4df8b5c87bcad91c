"""What the engine tells while it pulls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.runtime.docker import images as module
from agent.runtime.docker.engine import EngineFault
from agent.runtime.docker.images import DockerImages
from agent.runtime.protocol import ImageFault


class PullingEngine:
    """Knows no image; its pulls say ``lines`` and then go on for ever."""

    def __init__(self, *lines: dict[str, Any]) -> None:
        self._lines = lines

    async def get(self, path: str) -> Any:
        raise EngineFault(404, f"No such image: {path}")

    @asynccontextmanager
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[asyncio.StreamReader]:
        reader = asyncio.StreamReader()
        for line in self._lines:
            reader.feed_data(json.dumps(line).encode() + b"\r\n")
        yield reader


def _downloading(layer: str, current: int, total: int) -> dict[str, Any]:
    return {"status": "Downloading", "id": layer, "progressDetail": {"current": current, "total": total}}


async def test_progress_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE_SECONDS", 0.05)
    lines = [{"status": "Pulling from x"}, _downloading("a", 1, 10), _downloading("b", 5, 20), _downloading("a", 9, 10)]
    told: list[tuple[int, int]] = []
    images = DockerImages(PullingEngine(*lines))  # type: ignore[arg-type]
    with pytest.raises(ImageFault, match="no progress"):
        await images.ensure("x:1", pull_policy="IfNotPresent", on_progress=lambda *now: told.append(now))
    assert told == [(1, 10), (6, 30), (14, 30)]


async def test_an_error_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    images = DockerImages(PullingEngine({"error": "manifest unknown"}))  # type: ignore[arg-type]
    with pytest.raises(ImageFault, match="manifest unknown"):
        await images.ensure("x:1", pull_policy="Always")
