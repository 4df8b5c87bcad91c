"""What goes wrong: parts that are killed half way, storms, and writes that everybody wants at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from minikube_py.aio.tasks import TaskSet
from minikube_py.api.meta import labels_of, uid_of
from minikube_py.api.resources import DEPLOYMENTS, PODS
from minikube_py.client.rest import Client
from minikube_py.cluster.controlplane import ControlPlane
from tests.integration.controllers.conftest import Cluster, control_plane_config
from tests.integration.controllers.test_deployments import deployment, rolled_out, set_image
from tests.support.apiserver import RunningAPI, running_apiserver
from tests.support.simulated import SimulatedNodes


@asynccontextmanager
async def pods_ever_made(cluster: Cluster) -> AsyncIterator[dict[str, set[str]]]:
    """UIDs of all pods that come into being inside the block, by their app label."""
    seen: dict[str, set[str]] = {}
    first = await cluster.client.list(PODS)

    async def follow() -> None:
        stream = cluster.client.watch(PODS, resource_version=first.resource_version)
        async with aclosing(stream) as events:
            async for kind, pod in events:
                if kind == "ADDED":
                    seen.setdefault(labels_of(pod).get("app", ""), set()).add(uid_of(pod))

    tasks = TaskSet("pods ever made")
    tasks.spawn(follow(), name="watch")
    try:
        yield seen
    finally:
        await asyncio.sleep(0.1)
        await tasks.close()


async def test_no_pod_is_made_twice(cluster: Cluster) -> None:
    names = [f"app-{number}" for number in range(12)]
    async with pods_ever_made(cluster) as made:
        await asyncio.gather(*(cluster.client.create(DEPLOYMENTS, deployment(name, replicas=7)) for name in names))
        for name in names:
            await cluster.until(lambda name=name: rolled_out(cluster, name))  # type: ignore[misc]
    assert {name: len(made[name]) for name in names} == dict.fromkeys(names, 7)


async def test_every_deleted_pod_is_made_again_once(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=10))
    await cluster.until(lambda: rolled_out(cluster))
    async with pods_ever_made(cluster) as made:
        await cluster.client.delete_collection(PODS, "default", label_selector="app=web")

        async def replaced() -> bool:
            pods = await cluster.pods("app=web")
            return len(pods) == 10 and len(made.get("web", ())) >= 10 and bool(await rolled_out(cluster))

        await cluster.until(replaced)
    assert len(made["web"]) == 10


async def test_a_control_plane_that_dies_in_a_rollout_is_taken_over(tmp_path: Path) -> None:
    async with (
        running_apiserver(tmp_path) as api,
        Client.from_access(api.access) as client,
        SimulatedNodes(client, renew_seconds=0.5) as nodes,
    ):
        for name in ("node-1", "node-2"):
            await nodes.add(name)
        await _roll_while_dying(api, Cluster(client, nodes))


async def _roll_while_dying(api: RunningAPI, cluster: Cluster) -> None:
    """Each control plane gets a tenth of a second to do what it can, and a little more than the one before it."""
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=12))
    most = 0
    rolled = False
    for life in range(40):
        plane = ControlPlane(control_plane_config(api))
        await plane.start()
        try:
            await asyncio.sleep(0.1 * 1.1**life)
        finally:
            await plane.stop()
        alive = [pod for pod in await cluster.pods("app=web") if not pod["metadata"].get("deletionTimestamp")]
        most = max(most, len(alive))
        if not rolled and await rolled_out(cluster):
            await set_image(cluster, "web:2")
            rolled = True
        elif rolled and await rolled_out(cluster):
            break
    assert rolled
    assert await rolled_out(cluster)
    assert most <= 15
    assert {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods("app=web")} == {"web:2"}
