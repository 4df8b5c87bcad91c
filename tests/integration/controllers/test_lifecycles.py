"""What outlives what: owners and dependents, namespaces and their contents, nodes and their pods."""

from __future__ import annotations

import pytest

from minikube_py.api.meta import condition_is_true, name_of, owner_reference
from minikube_py.api.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SECRETS,
    SERVICEACCOUNTS,
)
from minikube_py.api.types import Object
from tests.integration.controllers.conftest import Cluster
from tests.integration.controllers.test_deployments import deployment, rolled_out


def configmap(name: str, namespace: str = "default", **meta: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace} | meta}


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


async def test_deleting_a_deployment_takes_everything_along(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.until(lambda: rolled_out(cluster))
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Background")

    async def gone() -> bool:
        return not await cluster.pods("app=web") and not await cluster.items(REPLICASETS)

    await cluster.until(gone)


async def test_foreground_deletion_waits_for_the_pods(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.until(lambda: rolled_out(cluster))
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Foreground")

    async def gone() -> bool:
        left = await cluster.items(DEPLOYMENTS)
        if not left:
            assert not await cluster.items(REPLICASETS)
            assert not await cluster.pods("app=web")
        return not left

    await cluster.until(gone)


async def test_orphaning_leaves_the_pods_alone(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.until(lambda: rolled_out(cluster))
    before = {name_of(pod) for pod in await cluster.pods("app=web")}
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")

    async def orphaned() -> bool:
        sets = await cluster.items(REPLICASETS)
        gone = not await cluster.items(DEPLOYMENTS)
        return gone and [rs["metadata"].get("ownerReferences") for rs in sets] == [None]

    await cluster.until(orphaned)
    assert {name_of(pod) for pod in await cluster.pods("app=web")} == before
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.until(lambda: rolled_out(cluster))
    assert {name_of(pod) for pod in await cluster.pods("app=web")} == before


async def test_any_kind_can_own_any_kind(cluster: Cluster) -> None:
    owner = await cluster.client.create(CONFIGMAPS, configmap("owner"))
    reference = owner_reference(owner | {"apiVersion": "v1", "kind": "ConfigMap"})
    meta = {"name": "owned", "namespace": "default", "ownerReferences": [reference]}
    await cluster.client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta})
    await cluster.client.delete(CONFIGMAPS, "owner", "default")

    async def gone() -> bool:
        return "owned" not in {name_of(secret) for secret in await cluster.items(SECRETS)}

    await cluster.until(gone)


async def test_an_owner_that_never_was_takes_its_dependent(cluster: Cluster) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "no-such-uid"}
    await cluster.client.create(CONFIGMAPS, configmap("lost", ownerReferences=[reference]))

    async def gone() -> bool:
        return "lost" not in {name_of(entry) for entry in await cluster.items(CONFIGMAPS)}

    await cluster.until(gone)


async def test_namespaces_are_furnished_and_emptied(cluster: Cluster) -> None:
    await cluster.client.create(NAMESPACES, namespace("team"))

    async def furnished() -> bool:
        accounts = {name_of(entry) for entry in await cluster.items(SERVICEACCOUNTS, "team")}
        maps = {name_of(entry) for entry in await cluster.items(CONFIGMAPS, "team")}
        return "default" in accounts and "kube-root-ca.crt" in maps

    await cluster.until(furnished)
    web = deployment()
    web["metadata"]["namespace"] = "team"
    await cluster.client.create(DEPLOYMENTS, web)

    async def running() -> bool:
        return len(await cluster.pods("app=web", "team")) == 3

    await cluster.until(running)
    await cluster.client.delete(NAMESPACES, "team")

    async def gone() -> bool:
        return "team" not in {name_of(entry) for entry in await cluster.items(NAMESPACES, "")}

    await cluster.until(gone)
    assert not await cluster.pods("app=web", "team")


async def test_a_finalizer_holds_a_namespace_and_is_named(cluster: Cluster) -> None:
    await cluster.client.create(NAMESPACES, namespace("held"))
    await cluster.client.create(CONFIGMAPS, configmap("c", "held", finalizers=["example.com/hold"]))
    await cluster.client.delete(NAMESPACES, "held")

    async def explained() -> bool:
        conditions = (await cluster.client.get(NAMESPACES, "held"))["status"].get("conditions")
        return condition_is_true(conditions, "NamespaceFinalizersRemaining")

    await cluster.until(explained)
    await cluster.client.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": None}}, "held")

    async def gone() -> bool:
        return "held" not in {name_of(entry) for entry in await cluster.items(NAMESPACES, "")}

    await cluster.until(gone)


@pytest.mark.parametrize("node_grace_seconds", [4.0], ids=["impatient"])
async def test_a_silent_node_loses_its_pods(cluster: Cluster) -> None:
    web = deployment(replicas=6)
    soon = [
        {"key": f"node.kubernetes.io/{kind}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for kind in ("not-ready", "unreachable")
    ]
    web["spec"]["template"]["spec"]["tolerations"] = soon
    await cluster.client.create(DEPLOYMENTS, web)
    await cluster.until(lambda: rolled_out(cluster))
    cluster.nodes.silence("node-2")

    async def noticed() -> bool:
        node = await cluster.client.get(NODES, "node-2")
        taints = {(taint["key"], taint["effect"]) for taint in node["spec"].get("taints") or ()}
        return ("node.kubernetes.io/unreachable", "NoExecute") in taints

    await cluster.until(noticed)

    async def unready() -> bool:
        pods = [pod for pod in await cluster.pods("app=web") if pod["spec"].get("nodeName") == "node-2"]
        return all(not condition_is_true(pod["status"]["conditions"], "Ready") for pod in pods)

    await cluster.until(unready)

    async def moved() -> bool:
        pods = [pod for pod in await cluster.pods("app=web") if not pod["metadata"].get("deletionTimestamp")]
        return len(pods) == 6 and {pod["spec"].get("nodeName") for pod in pods} == {"node-1", "node-3"}

    await cluster.until(moved)
    await cluster.nodes.revive("node-2")

    async def back() -> bool:
        node = await cluster.client.get(NODES, "node-2")
        return not node["spec"].get("taints") and condition_is_true(node["status"]["conditions"], "Ready")

    await cluster.until(back)


async def test_pods_that_fit_nowhere_say_why_and_go_when_they_can(cluster: Cluster) -> None:
    container = {"name": "c", "image": "web", "resources": {"requests": {"cpu": "12"}}}
    meta = {"name": "big", "namespace": "default"}
    await cluster.client.create(
        PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
    )

    async def refused() -> str:
        pod = await cluster.client.get(PODS, "big", "default")
        conditions = (pod.get("status") or {}).get("conditions") or ()
        return next((entry["message"] for entry in conditions if entry["type"] == "PodScheduled"), "")

    assert await cluster.until(refused) == "0/3 nodes are available: 3 Insufficient cpu."
    await cluster.nodes.add("node-4", cpu="16")

    async def placed() -> bool:
        return (await cluster.client.get(PODS, "big", "default"))["spec"].get("nodeName") == "node-4"

    await cluster.until(placed)


async def test_a_circle_of_owners_goes_in_the_foreground_too(cluster: Cluster) -> None:
    uids = {}
    for name in ("one", "two", "three"):
        created = await cluster.client.create(CONFIGMAPS, configmap(name))
        uids[name] = created["metadata"]["uid"]
    for name, owner in (("one", "three"), ("two", "one"), ("three", "two")):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uids[owner]}
        owners = [reference | {"blockOwnerDeletion": True}]
        await cluster.client.patch(CONFIGMAPS, name, {"metadata": {"ownerReferences": owners}}, "default")
    await cluster.client.delete(CONFIGMAPS, "one", "default", propagation="Foreground")

    async def gone() -> bool:
        return not {name_of(entry) for entry in await cluster.items(CONFIGMAPS)} & uids.keys()

    await cluster.until(gone, seconds=60.0)
