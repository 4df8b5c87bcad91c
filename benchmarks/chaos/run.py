"""One run of chaos: a census, faults beside churn for a while, healing, and the reckoning."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks.chaos import churn, settled
from benchmarks.chaos.census import Census, take
from benchmarks.chaos.faults import FAULTS, heal
from benchmarks.chaos.target import NAMESPACE, Target
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.resources import NAMESPACES
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client

#: Between two faults, and between two turns of the churn, in seconds.
_FAULT_PAUSE = (0.2, 4.0)
_TURN_PAUSE = (0.05, 0.6)
_LOOK_AGAIN_SECONDS = 0.3
#: A back-off that grew for minutes may take as long to pass.
PATIENCE_SECONDS = 120.0


@dataclass
class Report:
    """What was done and what is wrong after it."""

    done: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Chaos:
    """Stress for one cluster. ``tell`` hears of everything that is done, as it is done."""

    def __init__(self, target: Target, *, seed: int, tell: Callable[[str], None] = lambda _: None) -> None:
        self._target = target
        self._seed = seed
        self._tell = tell
        self._began = time.monotonic()
        self.report = Report()

    async def run(self, seconds: float, *, patience: float = PATIENCE_SECONDS) -> Report:
        """Chaos for that long, then the reckoning. ``report.wrong`` is empty where all is well."""
        async with self._target.client() as client:
            before = await self._warm_up(client)
            await churn.set_up(client)
            await self._stress(client, seconds)
            await self._say("healing")
            await heal(self._target)
            await self._until_true(lambda: self._differences(client, before), patience)
            if not self.report.wrong:
                await self._delete(client, patience)
                await self._until_true(lambda: self._leaks(before), patience)
        return self.report

    async def _warm_up(self, client: Client) -> dict[str, Census]:
        """A census after a first life of everything: what is made once and kept is no leak."""
        await churn.set_up(client)
        await self._until_true(lambda: self._complaints(client), PATIENCE_SECONDS)
        await self._delete(client, PATIENCE_SECONDS)
        return await asyncio.to_thread(lambda: {node: take(self._target, node) for node in self._target.nodes})

    async def _delete(self, client: Client, patience: float) -> None:
        await client.delete(NAMESPACES, NAMESPACE)

        async def still_there() -> list[str]:
            try:
                found = await client.get(NAMESPACES, NAMESPACE)
            except NotFound:
                return []
            return [f"the namespace is not gone: {(found.get('status') or {}).get('conditions')}"]

        await self._until_true(still_there, patience)

    async def _stress(self, client: Client, seconds: float) -> None:
        tasks = TaskSet("chaos")
        ending = time.monotonic() + seconds
        faults = tasks.spawn(self._faults(ending), name="faults")
        turns = tasks.spawn(self._turns(client, ending), name="churn")
        try:
            await asyncio.gather(faults, turns)
        finally:
            await tasks.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:  # the API server may have been the last to be killed
                with suppress(StatusError, ConnectionFailed):
                    if await churn.restore(client):
                        return
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _faults(self, ending: float) -> None:
        dice = random.Random(f"faults {self._seed}")
        while time.monotonic() < ending:
            await asyncio.sleep(dice.uniform(*_FAULT_PAUSE))
            fault = dice.choices(list(FAULTS), list(FAULTS.values()))[0]
            await self._say(await fault(self._target, dice))

    async def _turns(self, client: Client, ending: float) -> None:
        dice = random.Random(f"churn {self._seed}")
        while time.monotonic() < ending:
            await asyncio.sleep(dice.uniform(*_TURN_PAUSE))
            await self._say("  " + await churn.one_turn(client, dice))

    async def _say(self, what: str) -> None:
        line = f"{time.monotonic() - self._began:7.1f} s  {what}"
        self.report.done.append(line)
        self._tell(line)

    async def _until_true(self, look: Callable[[], Awaitable[list[str]]], patience: float) -> None:
        """Looks until nothing is wrong any more; what is wrong when patience ends goes into the report."""
        deadline = time.monotonic() + patience
        while True:
            try:
                wrong = await look()
            except (StatusError, ConnectionFailed, OSError, KeyError) as error:
                wrong = [f"{type(error).__name__}: {error}"]
            if not wrong:
                return
            if time.monotonic() > deadline:
                self.report.wrong += wrong
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _complaints(self, client: Client) -> list[str]:
        return list(settled.complaints(await settled.look(client, self._target)))

    async def _differences(self, client: Client, before: dict[str, Census]) -> list[str]:
        picture = await settled.look(client, self._target)
        found = list(settled.complaints(picture))
        for node in self._target.nodes:
            found += settled.against(picture, node, take(self._target, node), before[node])
        return found

    async def _leaks(self, before: dict[str, Census]) -> list[str]:
        return [
            f"{node}: {leak}"
            for node in self._target.nodes
            for leak in take(self._target, node).leaked_since(before[node])
        ]
