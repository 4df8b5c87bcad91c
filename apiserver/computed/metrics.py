"""Asks the agents what their containers use: what ``kubectl top`` shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import orjson

from apiserver.computed.usage import (
    YOUNG_SECONDS,
    Reading,
    Usage,
    node_metrics,
    pod_metrics,
    reading_of,
    serves,
    usage_between,
)
from apiserver.registry.context import Reader
from minikube_py.aio.clock import Clock
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import name_of
from minikube_py.api.resources import NODES, PODS
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)

#: Between the two readings of a first question.
_MEASURE_SECONDS = 1.0
#: An agent that takes longer to answer is left out.
_PATIENCE_SECONDS = 5.0

#: GET of a path at a node's agent: the body. Raises StatusError.
AskAgent = Callable[[str, str], Awaitable[bytes]]


class ResourceMetrics:
    """Nodes' and pods' use. Nodes that do not answer are left out, as metrics-server does."""

    def __init__(self, *, reader: Reader, ask: AskAgent, clock: Clock) -> None:
        self._reader = reader
        self._ask = ask
        self._clock = clock
        self._bases: dict[str, Reading] = {}
        self._measuring: dict[str, asyncio.Lock] = {}

    async def nodes(self, namespace: str, name: str) -> list[Object]:
        """NodeMetrics of all nodes, or of one."""
        del namespace
        nodes = [node for node in self._reader.list(NODES) if not name or name_of(node) == name]
        usages = await self._usages([name_of(node) for node in nodes])
        now = self._clock.now()
        return [node_metrics(node, usage, now) for node, usage in zip(nodes, usages, strict=True) if usage is not None]

    async def pods(self, namespace: str, name: str) -> list[Object]:
        """PodMetrics of all pods of a namespace ("" for every one), or of one of them."""
        by_node: dict[str, list[Object]] = {}
        for pod in self._reader.list(PODS, namespace):
            node = pod["spec"].get("nodeName")
            if node and (not name or name_of(pod) == name):
                by_node.setdefault(node, []).append(pod)
        usages = await self._usages(by_node)
        now = self._clock.now()
        found: list[Object] = []
        for pods, usage in zip(by_node.values(), usages, strict=True):
            found += pod_metrics(pods, usage, now) if usage is not None else ()
        return sorted(found, key=lambda metrics: (metrics["metadata"]["namespace"], name_of(metrics)))

    async def _usages(self, nodes: Iterable[str]) -> list[Usage | None]:
        return list(await asyncio.gather(*(self._usage(node) for node in nodes)))

    async def _usage(self, node: str) -> Usage | None:
        async with self._measuring.setdefault(node, asyncio.Lock()):
            try:
                return await self._measured(node)
            except (StatusError, TimeoutError, ValueError, KeyError) as error:
                _log.info("no metrics of node %s: %s", node, error)
                return None

    async def _measured(self, node: str) -> Usage:
        base, reading = self._bases.get(node), await self._read(node)
        if base is None or not serves(base, reading.at):
            base = self._bases[node] = reading
            await self._clock.sleep(_MEASURE_SECONDS)
            reading = await self._read(node)
        if reading.at - base.at >= YOUNG_SECONDS:
            self._bases[node] = reading
        return usage_between(base, reading)

    async def _read(self, node: str) -> Reading:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            summary = orjson.loads(await self._ask(node, "/stats/summary"))
        return reading_of(summary, self._clock.monotonic())
