"""What the engine does, told once per change: its event stream, and a comparison after every gap in it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from agent.runtime.docker import labels
from agent.runtime.docker.engine import Engine, EngineFault, EngineGone
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock

_log = logging.getLogger(__name__)


class Watch:
    """Follows the containers that carry the labels ``own``.

    ``on_change(container_id, labels, running)`` is awaited for every start, death and disappearance, in order.
    """

    def __init__(
        self,
        engine: Engine,
        own: dict[str, str],
        *,
        clock: Clock,
        on_change: Callable[[str, dict[str, str], bool], Awaitable[None]],
        on_health: Callable[[], None] = lambda: None,
    ) -> None:
        self.away = False
        self._engine = engine
        self._filter = [f"{name}={value}" for name, value in own.items()]
        self._clock = clock
        self._on_change = on_change
        self._on_health = on_health
        self._known: dict[str, tuple[dict[str, str], bool]] = {}
        self._subscribed = asyncio.Event()

    async def subscribed(self) -> None:
        """Until nothing can be missed any more."""
        await self._subscribed.wait()

    def running_sandbox(self, uid: str) -> str | None:
        """The id of the pod's sandbox, where one runs as far as the engine has told."""
        for container_id, (told, running) in self._known.items():
            if running and is_sandbox(told) and told.get(labels.UID) == uid:
                return container_id
        return None

    async def run(self) -> None:
        """For ever, through restarts of the engine."""
        backoff = Backoff(0.05, 2.0)
        while True:
            try:
                filters = {"type": ["container"], "label": self._filter}
                async with self._engine.stream("GET", "/events", filters=filters, headers=None) as body:
                    backoff.reset()
                    await self.compare()
                    self._turned(away=False)
                    self._subscribed.set()
                    async for line in body:
                        await self._take(json.loads(line))
            except (EngineGone, EngineFault, ValueError) as error:
                _log.warning("the Docker engine's events ended: %s", error)
            self._turned(away=True)
            await self._clock.sleep(backoff.next())

    def _turned(self, *, away: bool) -> None:
        if away != self.away:
            self.away = away
            self._on_health()

    async def compare(self) -> None:
        """Tells what has changed since it was last told."""
        found = await self._engine.get("/containers/json", all=True, filters={"label": self._filter})
        now = {entry["Id"]: (entry["Labels"], entry["State"] in ("running", "paused")) for entry in found}
        for container_id, (told, _) in list(self._known.items()):
            if container_id not in now:
                await self._tell(container_id, told, False)
                self._known.pop(container_id, None)
        for container_id, (told, running) in now.items():
            if running or container_id in self._known:
                await self._tell(container_id, told, running)

    async def _take(self, event: dict[str, Any]) -> None:
        container_id, told = event["Actor"]["ID"], event["Actor"]["Attributes"]
        action = event["Action"]
        if action == "start":
            await self._tell(container_id, told, True)
        elif action == "die":
            await self._tell(container_id, told, False)
        elif action == "destroy":
            await self._tell(container_id, told, False)
            self._known.pop(container_id, None)

    async def _tell(self, container_id: str, told: dict[str, str], running: bool) -> None:
        before = self._known.get(container_id)
        if (before is not None and before[1]) == running:
            return
        kept = {name: value for name, value in told.items() if name.startswith(("minik.", "io.kubernetes."))}
        self._known[container_id] = (kept, running)
        await self._on_change(container_id, kept, running)


def is_sandbox(told: dict[str, str]) -> bool:
    return told.get(labels.KIND) == "sandbox"
