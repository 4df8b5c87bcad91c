"""What the runtime shows, by pod: one listing serves every worker that waits for it.

The runtime's events say *that* something changed; a listing says *what is*. Events are therefore only a reason to list,
many of them give one listing, and a missed one costs nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from agent.pods.observation import PodObservation, observe_all
from agent.runtime.protocol import ContainerEvent, Runtime, RuntimeFault
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet

_log = logging.getLogger(__name__)
_NOTHING = PodObservation()


class RuntimeView:
    """The newest listing. ``on_change(uid)`` is called for every pod that a listing shows differently."""

    def __init__(self, *, runtime: Runtime, clock: Clock, on_change: Callable[[str], None]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._on_change = on_change
        self._tasks = TaskSet("runtime-view")
        self._pods: dict[str, PodObservation] = {}
        self._lock = asyncio.Lock()
        self._begun = 0
        self._done = 0

    async def start(self) -> None:
        """List once and follow the runtime's events from there. Raises RuntimeFault."""
        events = self._runtime.events()
        await self.refresh()
        self._tasks.spawn(self._follow(events), name="events")

    async def stop(self) -> None:
        await self._tasks.close()

    def get(self, uid: str) -> PodObservation:
        """The pod as last listed; nothing where the runtime does not know it."""
        return self._pods.get(uid, _NOTHING)

    def uids(self) -> list[str]:
        """Every pod the runtime knows."""
        return list(self._pods)

    async def refresh(self) -> None:
        """Return once a listing that began after this call is in. Raises RuntimeFault."""
        wanted = self._begun + 1
        async with self._lock:
            if self._done >= wanted:
                return
            self._begun += 1
            containers = await self._runtime.list_containers()
            self._take(observe_all(await self._runtime.list_sandboxes(), containers))
            self._done = self._begun

    def _take(self, pods: dict[str, PodObservation]) -> None:
        before, self._pods = self._pods, pods
        for uid in before.keys() | pods.keys():
            if before.get(uid) != pods.get(uid):
                self._on_change(uid)

    async def _follow(self, events: AsyncIterator[ContainerEvent]) -> None:
        async for _ in events:
            await self._refresh_surely()

    async def _refresh_surely(self) -> None:
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                return await self.refresh()
            except (RuntimeFault, OSError) as error:
                _log.warning("cannot list the runtime's containers: %s", error)
                await self._clock.sleep(backoff.next())
