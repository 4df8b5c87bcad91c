"""Waits until every node of a new cluster is Ready and pods can be made, telling each step to ``minik up``; then ends.

A part of its own, forked from the supervisor's warm image: the waiting command needs no HTTP client, and the
supervisor no event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api import resources
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.api.types import Object
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.cluster.progress import ProgressWriter
from minikube_py.config.parts import ReadinessConfig


def main(config: ReadinessConfig) -> int:
    """Entry of the part. Returns 0 when all is ready."""
    uvloop.run(wait_until_ready(config, ProgressWriter(config.progress)))
    return 0


async def wait_until_ready(config: ReadinessConfig, progress: ProgressWriter) -> None:
    """Returns when pods can be made, and tells every step."""
    async with Client.from_access(config.api) as client:
        await await_nodes(client, config.nodes, progress.step)


async def await_nodes(client: Client, nodes: tuple[str, ...], step: Callable[[str], None]) -> None:
    """Returns when every node is Ready and the ServiceAccount `default` exists (without it no pod is admitted)."""
    tasks = TaskSet("readiness")
    try:
        await _all_nodes(client, tasks, nodes, step)
        await _default_service_account(client, tasks)
    finally:
        await tasks.close()


async def _all_nodes(client: Client, tasks: TaskSet, names: tuple[str, ...], step: Callable[[str], None]) -> None:
    missing = set(names)
    complete = asyncio.Event()

    def seen(_old: Object | None, new: Object | None) -> None:
        if new is None or name_of(new) not in missing:
            return
        if condition_is_true((new.get("status") or {}).get("conditions"), "Ready"):
            missing.discard(name_of(new))
            step(f"node {name_of(new)} is Ready")
        if not missing:
            complete.set()

    informer = Informer(client, resources.NODES, tasks=tasks, clock=SystemClock())
    informer.subscribe(seen)
    informer.start()
    await complete.wait()


async def _default_service_account(client: Client, tasks: TaskSet) -> None:
    there = asyncio.Event()

    def seen(_old: Object | None, new: Object | None) -> None:
        if new is not None:
            there.set()

    informer = Informer(
        client,
        resources.SERVICEACCOUNTS,
        namespace="default",
        field_selector="metadata.name=default",
        tasks=tasks,
        clock=SystemClock(),
    )
    informer.subscribe(seen)
    informer.start()
    await there.wait()
