"""What containers of an engine have used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from agent.runtime.docker.engine import Engine, EngineFault
from agent.runtime.protocol import ContainerUsage


async def usage_of(engine: Engine, container_ids: Sequence[str]) -> list[ContainerUsage]:
    """The use of running containers; those that have just ended are left out."""
    found = await asyncio.gather(*(_one(engine, each) for each in container_ids))
    return [each for each in found if each is not None]


async def _one(engine: Engine, container_id: str) -> ContainerUsage | None:
    try:
        stats = await engine.get(f"/containers/{container_id}/stats", **{"stream": False, "one-shot": True})
    except EngineFault:
        return None
    return from_stats(container_id, stats)


def from_stats(container_id: str, stats: Mapping[str, Any]) -> ContainerUsage | None:
    """The working set is what is used less the page cache that could go at once; None for one that has ended."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats") or {}
    cache = int(detail.get("total_inactive_file") or detail.get("inactive_file") or 0)
    cpu = int(((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0)
    return ContainerUsage(container_id, cpu, max(0, int(memory["usage"]) - cache))
