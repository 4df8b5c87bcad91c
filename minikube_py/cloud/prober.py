"""Which nodes may get traffic: asked of the nodes themselves, as a cloud's balancer does.

Under the Cluster policy a node is asked for its proxy's health (port 10256), under Local for the Service's
``healthCheckNodePort``, which is only well where an endpoint is. Two failures in a row make a node unhealthy, one
success makes it healthy; nothing is asked while there is no balancer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import aiohttp

from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet

PROXY_HEALTH_PORT = 10_256
_INTERVAL_SECONDS = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=1.0)
_FAILURES = 2


class Target(NamedTuple):
    """A node's address and the port to ask."""

    ip: str
    port: int


class Prober:
    """Asks all targets once a second and calls ``on_change`` when an answer changes what is healthy."""

    def __init__(self, *, clock: Clock, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._failures: dict[Target, int] = {}
        self._wanted = asyncio.Event()
        self._tasks = TaskSet("load balancer health")

    def start(self) -> None:
        """Begins to ask."""
        self._tasks.spawn(self._run(), name="prober")

    async def stop(self) -> None:
        """Stops asking."""
        await self._tasks.close()

    def watch(self, targets: Iterable[Target]) -> None:
        """The targets to ask from now on. A new one is unhealthy until it has answered."""
        wanted = set(targets)
        fresh = wanted - self._failures.keys()
        self._failures = {each: self._failures.get(each, _FAILURES) for each in wanted}
        if fresh:
            self._wanted.set()

    def healthy(self, target: Target) -> bool:
        """Whether the target answered well lately."""
        return self._failures.get(target, _FAILURES) < _FAILURES

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
            while True:
                if not self._failures:
                    await self._wanted.wait()
                self._wanted.clear()
                targets = list(self._failures)
                answers = await asyncio.gather(*(_ask(session, target) for target in targets))
                self._take(dict(zip(targets, answers, strict=True)))
                await self._pause()

    async def _pause(self) -> None:
        """Until the next round; a new target is asked at once."""
        timer = self._clock.call_later(_INTERVAL_SECONDS, self._wanted.set)
        try:
            await self._wanted.wait()
        finally:
            timer.cancel()

    def _take(self, answers: dict[Target, bool]) -> None:
        before = {target: self.healthy(target) for target in answers}
        for target, good in answers.items():
            if target in self._failures:
                self._failures[target] = 0 if good else min(_FAILURES, self._failures[target] + 1)
        if any(self.healthy(target) != was for target, was in before.items()):
            self._on_change()


async def _ask(session: aiohttp.ClientSession, target: Target) -> bool:
    host = f"[{target.ip}]" if ":" in target.ip else target.ip
    try:
        async with session.get(f"http://{host}:{target.port}/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
