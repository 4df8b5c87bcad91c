"""Asking agents: two readings at first, one while the earlier is young, none of a node that does not answer."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

import orjson

from apiserver.computed.metrics import ResourceMetrics
from minikube_py.aio.clock import FakeClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import ServiceUnavailable
from minikube_py.api.meta import name_of
from minikube_py.api.resources import NODES, Resource
from minikube_py.api.types import Object


class Cluster:
    """Two nodes with a pod each; every reading of node-1 has used another 100 ms."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.clock = FakeClock()

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        raise NotImplementedError

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        if resource is NODES:
            return [{"metadata": {"name": name}} for name in ("node-1", "node-2")]
        return [
            {"metadata": {"name": f"pod-{number}", "namespace": "default"}, "spec": {"nodeName": f"node-{number}"}}
            for number in (1, 2)
        ]

    async def ask(self, node: str, path: str) -> bytes:
        assert path == "/stats/summary"
        self.asked.append(node)
        if node == "node-2":
            raise ServiceUnavailable("gone")
        cpu = {"usageCoreNanoSeconds": 100_000_000 * len(self.asked)}
        container = {"name": "app", "cpu": cpu, "memory": {"workingSetBytes": 2048}}
        reference = {"name": "pod-1", "namespace": "default", "uid": "u"}
        return orjson.dumps({"pods": [{"podRef": reference, "containers": [container]}]})

    async def measured(self, question: Coroutine[Any, Any, list[Object]]) -> list[Object]:
        """The answer to a first question, which waits a second between its readings."""
        tasks = TaskSet("question")
        asking = tasks.spawn(question, name="ask")
        await self.clock.settle()
        await self.clock.advance(1.0)
        found = await asking
        await tasks.close()
        return found


async def test_the_first_question_takes_two_readings_the_next_only_one() -> None:
    cluster = Cluster()
    metrics = ResourceMetrics(reader=cluster, ask=cluster.ask, clock=cluster.clock)
    (first,) = await cluster.measured(metrics.nodes("", "node-1"))
    assert (first["usage"]["cpu"], first["window"]) == ("100000000n", "1.000s")
    (second,) = await metrics.pods("default", "pod-1")
    assert second["containers"][0]["usage"] == {"cpu": "200000000n", "memory": "2Ki"}
    assert cluster.asked == ["node-1"] * 3


async def test_a_node_that_does_not_answer_is_left_out() -> None:
    cluster = Cluster()
    metrics = ResourceMetrics(reader=cluster, ask=cluster.ask, clock=cluster.clock)
    assert [name_of(found) for found in await cluster.measured(metrics.nodes("", ""))] == ["node-1"]
    assert [name_of(found) for found in await metrics.pods("", "")] == ["pod-1"]
    assert await metrics.nodes("", "node-9") == []
