"""Claims and volumes from the first look at each other to the end, over a real API server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from minikube_py.api.meta import condition_is_true, find_condition, is_deleting, name_of, uid_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES, Resource
from minikube_py.api.types import Object
from tests.integration.controllers.conftest import Cluster


def volume(name: str, node: str = "", storage_class: str = "", **spec: Any) -> Object:
    base: Object = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "local": {"path": f"/disks/{name}"},
        "storageClassName": storage_class,
    }
    expressions = [{"key": "kubernetes.io/hostname", "operator": "In" if node else "Exists"}]
    if node:
        expressions[0] |= {"values": [node]}  # type: ignore[dict-item]
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": base | {"nodeAffinity": affinity} | spec,
    }


def claim(name: str, **spec: Any) -> Object:
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": base | spec}


def pod(name: str, *volumes: Object) -> Object:
    spec = {"containers": [{"name": "c", "image": "echo"}], "volumes": [*volumes]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def mounted(claim_name: str) -> Object:
    return {"name": claim_name, "persistentVolumeClaim": {"claimName": claim_name}}


def storage_class(name: str, **fields: Any) -> Object:
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    return kind | {"provisioner": "kubernetes.io/no-provisioner"} | fields


def in_phase(cluster: Cluster, resource: Resource, name: str, phase: str) -> Callable[[], Awaitable[bool]]:
    namespace = "default" if resource is PERSISTENTVOLUMECLAIMS else None

    async def reached() -> bool:
        return bool((await cluster.client.get(resource, name, namespace))["status"].get("phase") == phase)

    return reached


def gone(cluster: Cluster, resource: Resource, name: str) -> Callable[[], Awaitable[bool]]:
    async def absent() -> bool:
        return name not in {name_of(each) for each in (await cluster.client.list(resource)).items}

    return absent


async def test_a_claim_from_binding_to_release(cluster: Cluster) -> None:
    client = cluster.client
    await client.create(PERSISTENTVOLUMECLAIMS, claim("data", storageClassName=""))
    await client.create(PERSISTENTVOLUMES, volume("disk"))
    await cluster.until(in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound"))
    await cluster.until(in_phase(cluster, PERSISTENTVOLUMES, "disk", "Bound"))
    bound = await client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
    assert (bound["spec"]["volumeName"], bound["status"]["capacity"]) == ("disk", {"storage": "1Gi"})

    await client.create(PODS, pod("user", mounted("data")))
    await cluster.until(_runs(cluster, "user"))
    await client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
    await client.delete(PERSISTENTVOLUMES, "disk")
    assert is_deleting(await client.get(PERSISTENTVOLUMECLAIMS, "data", "default")), "kept while the pod uses it"
    await client.create(PODS, pod("late", mounted("data")))
    await cluster.until(_refused(cluster, "late", 'persistentvolumeclaim "data" is being deleted'))
    await client.delete(PODS, "user", "default", grace_seconds=0)
    await cluster.until(gone(cluster, PERSISTENTVOLUMECLAIMS, "data"))
    await cluster.until(gone(cluster, PERSISTENTVOLUMES, "disk"))


async def test_a_class_that_waits_binds_where_the_pod_goes(cluster: Cluster) -> None:
    client = cluster.client
    await client.create(STORAGECLASSES, storage_class("local", volumeBindingMode="WaitForFirstConsumer"))
    for node in ("node-2", "node-3"):
        await client.create(PERSISTENTVOLUMES, volume(f"on-{node}", node, "local"))
        await cluster.until(in_phase(cluster, PERSISTENTVOLUMES, f"on-{node}", "Available"))
    for name in ("one", "two", "three"):
        await client.create(PERSISTENTVOLUMECLAIMS, claim(name, storageClassName="local"))
        await client.create(PODS, pod(name, mounted(name)))

    async def two_are_placed() -> bool:
        placed = {name_of(each): each["spec"].get("nodeName") for each in await cluster.pods()}
        return sorted(filter(None, placed.values())) == ["node-2", "node-3"]

    await cluster.until(two_are_placed)
    claims = [each for each in await cluster.items(PERSISTENTVOLUMECLAIMS) if each["spec"].get("volumeName")]
    at = {name_of(each): each["spec"].get("nodeName") for each in await cluster.pods()}
    assert {each["spec"]["volumeName"] for each in claims} == {"on-node-2", "on-node-3"}
    assert all(each["spec"]["volumeName"] == f"on-{at[name_of(each)]}" for each in claims)
    (left,) = [name for name, node in at.items() if not node]
    await cluster.until(_refused(cluster, left, "find available persistent volumes to bind"))


async def test_ephemeral_claims_and_a_default_class_that_comes_late(cluster: Cluster) -> None:
    client = cluster.client
    template = {"spec": claim("")["spec"], "metadata": {"labels": {"app": "scratch"}}}
    user = await client.create(PODS, pod("user", {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}))
    await cluster.until(in_phase(cluster, PERSISTENTVOLUMECLAIMS, "user-scratch", "Pending"))
    made = await client.get(PERSISTENTVOLUMECLAIMS, "user-scratch", "default")
    assert made["metadata"]["ownerReferences"][0]["uid"] == uid_of(user)
    assert made["metadata"]["labels"] == {"app": "scratch"}
    await client.create(PERSISTENTVOLUMES, volume("disk", storage_class="late"))
    kind = storage_class("late")
    kind["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    await client.create(STORAGECLASSES, kind)
    await cluster.until(in_phase(cluster, PERSISTENTVOLUMECLAIMS, "user-scratch", "Bound"))
    await cluster.until(_runs(cluster, "user"))
    await client.delete(PODS, "user", "default", grace_seconds=0)
    await cluster.until(gone(cluster, PERSISTENTVOLUMECLAIMS, "user-scratch"))
    await cluster.until(in_phase(cluster, PERSISTENTVOLUMES, "disk", "Released"))


def _runs(cluster: Cluster, name: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        status = (await cluster.client.get(PODS, name, "default")).get("status") or {}
        return condition_is_true(status.get("conditions"), "Ready")

    return ready


def _refused(cluster: Cluster, name: str, words: str) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        conditions = (await cluster.client.get(PODS, name, "default"))["status"].get("conditions")
        return words in str((find_condition(conditions, "PodScheduled") or {}).get("message"))

    return told
