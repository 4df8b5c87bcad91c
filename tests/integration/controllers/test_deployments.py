"""Deployments from creation to rollback, on a real API server."""

from __future__ import annotations

from typing import Any

from minikube_py.api.meta import annotations_of, condition_is_true, name_of
from minikube_py.api.resources import DEPLOYMENTS, PODS, REPLICASETS, Resource
from minikube_py.api.types import Object
from minikube_py.client.rest import PatchKind
from tests.integration.controllers.conftest import Cluster


def deployment(name: str = "web", *, replicas: int = 3, image: str = "web:1", **spec: Any) -> Object:
    labels = {"app": name}
    container = {"name": "c", "image": image}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        }
        | spec,
    }


async def rolled_out(cluster: Cluster, name: str = "web") -> Object | None:
    found = await cluster.client.get(DEPLOYMENTS, name, "default")
    status = found.get("status") or {}
    wanted = found["spec"]["replicas"]
    numbers = [status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    seen = status.get("observedGeneration") == found["metadata"].get("generation")
    return found if seen and numbers == [wanted] * 3 else None


async def set_image(cluster: Cluster, image: str, name: str = "web") -> None:
    await set_image_of(cluster, DEPLOYMENTS, name, image)


async def set_image_of(cluster: Cluster, resource: Resource, name: str, image: str) -> None:
    """As ``kubectl set image`` does it."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await cluster.client.patch(resource, name, patch, "default", kind=PatchKind.STRATEGIC)


async def images(cluster: Cluster) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods("app=web")}


async def test_a_deployment_comes_up_spread_over_the_nodes(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    done = await cluster.until(lambda: rolled_out(cluster))
    pods = await cluster.pods("app=web")
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2", "node-3"}
    assert len(pods) == 3
    conditions = done["status"]["conditions"]
    assert condition_is_true(conditions, "Available") and condition_is_true(conditions, "Progressing")
    assert annotations_of(done)["deployment.kubernetes.io/revision"] == "1"


async def test_scaling(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=2))
    await cluster.until(lambda: rolled_out(cluster))
    for wanted in (6, 1, 0):
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": wanted}}, "default", subresource="scale")
        await cluster.until(lambda: rolled_out(cluster))

        async def settled(wanted: int = wanted) -> bool:
            return len(await cluster.pods("app=web")) == wanted

        await cluster.until(settled)


async def test_rolling_update_and_back(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=4))
    await cluster.until(lambda: rolled_out(cluster))
    await set_image(cluster, "web:2")
    await cluster.until(lambda: rolled_out(cluster))
    assert await images(cluster) == {"web:2"}
    sets = await cluster.items(REPLICASETS)
    assert sorted(rs["spec"]["replicas"] for rs in sets) == [0, 4]
    await set_image(cluster, "web:1")
    back = await cluster.until(lambda: rolled_out(cluster))
    assert await images(cluster) == {"web:1"}
    assert len(await cluster.items(REPLICASETS)) == 2
    assert annotations_of(back)["deployment.kubernetes.io/revision"] == "3"


async def test_a_bad_image_keeps_the_old_pods(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=4, progressDeadlineSeconds=1))
    await cluster.until(lambda: rolled_out(cluster))
    cluster.nodes.failing = ("web-",)
    await set_image(cluster, "broken")

    async def stuck() -> bool:
        found = await cluster.client.get(DEPLOYMENTS, "web", "default")
        reasons = {entry["type"]: entry["reason"] for entry in found["status"]["conditions"]}
        return reasons.get("Progressing") == "ProgressDeadlineExceeded"

    await cluster.until(stuck)
    found = await cluster.client.get(DEPLOYMENTS, "web", "default")
    assert found["status"]["availableReplicas"] >= 3
    assert condition_is_true(found["status"]["conditions"], "Available")


async def test_recreate_never_mixes(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
    await cluster.until(lambda: rolled_out(cluster))
    await set_image(cluster, "web:2")

    async def rolled() -> Object | None:
        assert len(await images(cluster)) <= 1
        return await rolled_out(cluster)

    await cluster.until(rolled)
    assert await images(cluster) == {"web:2"}


async def test_paused_deployments_wait(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.until(lambda: rolled_out(cluster))
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}}, "default")
    await set_image(cluster, "web:2")
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, "default")

    async def grown() -> bool:
        return len(await cluster.pods("app=web")) == 5

    await cluster.until(grown)
    assert await images(cluster) == {"web:1"}
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"paused": False}}, "default")
    await cluster.until(lambda: rolled_out(cluster))
    assert await images(cluster) == {"web:2"}


async def test_history_is_bounded(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=1, revisionHistoryLimit=1))
    for number in range(2, 5):
        await cluster.until(lambda: rolled_out(cluster))
        await set_image(cluster, f"web:{number}")
    await cluster.until(lambda: rolled_out(cluster))

    async def short() -> bool:
        return len(await cluster.items(REPLICASETS)) == 2

    await cluster.until(short)


async def test_a_killed_pod_is_replaced_at_once(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.until(lambda: rolled_out(cluster))
    victim = (await cluster.pods("app=web"))[0]
    await cluster.client.delete(PODS, name_of(victim), "default")

    async def replaced() -> bool:
        names = {name_of(pod) for pod in await cluster.pods("app=web")}
        return len(names) == 3 and name_of(victim) not in names

    await cluster.until(replaced)
