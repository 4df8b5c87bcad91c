"""A lab on a cluster: its namespaces are made, filled, solved and removed.

The cluster itself remembers which lab runs and with which seed, on the lab's namespace: deleting the namespace by any
means ends the lab.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from minikube_py.api import resources
from minikube_py.api.errors import AlreadyExists, Conflict, Gone, NotFound
from minikube_py.api.meta import annotations_of, condition_is_true, is_deleting, labels_of, name_of, namespace_of
from minikube_py.api.resources import ResourceTable
from minikube_py.api.types import Object
from minikube_py.client.manifests import parse_manifests
from minikube_py.client.rest import Client, PatchKind
from minikube_py.labs.folder import LabFault, LabFolder
from minikube_py.labs.judge import holds
from minikube_py.labs.measure import Observer, resource_of
from minikube_py.labs.model import Objects, Step, Until
from minikube_py.labs.variation import Values

LAB_LABEL = "minik.io/lab"
SEED_ANNOTATION = "minik.io/lab-seed"
_MANAGER = "minik-lab"
#: So that a student's ``kubectl apply`` finds what it looks for and does not warn.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class AlreadyStarted(LabFault):
    """The lab's namespace is there."""


class NotStarted(LabFault):
    """The lab's namespace is not there."""


async def cluster_values(client: Client, load_balancers: str) -> dict[str, Any]:
    """What a cluster gives to texts: ``nodes`` (their number), and of up to three ``node1`` and ``nodeAddress1``.

    ``load_balancers`` is the range of their addresses: ``loadBalancers`` is how those begin (192.168.231).
    """
    ready = [node for node in (await client.list(resources.NODES)).items if _is_ready(node)]
    values: dict[str, Any] = {"nodes": len(ready), "loadBalancers": load_balancers.rpartition(".")[0]}
    for number, node in enumerate(sorted(ready, key=name_of)[:3], start=1):
        values[f"node{number}"] = name_of(node)
        values[f"nodeAddress{number}"] = _internal_ip(node)
    return values


async def seed_of(client: Client, folder: LabFolder) -> str:
    """The seed that the lab was started with. Raises NotStarted, also where the namespace is another's."""
    try:
        namespace = await client.get(resources.NAMESPACES, folder.namespace)
    except NotFound:
        raise NotStarted(f"lab {folder.name} is not started: minik lab start {folder.name}") from None
    if labels_of(namespace).get(LAB_LABEL) != folder.name:
        raise NotStarted(f"namespace {folder.namespace} was not made by this lab: remove or rename it")
    return annotations_of(namespace).get(SEED_ANNOTATION, "")


async def running(client: Client) -> set[str]:
    """The names of the labs that are started."""
    found = (await client.list(resources.NAMESPACES, label_selector=LAB_LABEL)).items
    return {each["metadata"]["labels"][LAB_LABEL] for each in found if not is_deleting(each)}


async def start(observer: Observer, folder: LabFolder, seed: str, values: Values) -> None:
    """Make the namespaces and set up. Raises AlreadyStarted, LabFault, StatusErrors, TimeoutError of the caller."""
    lab = folder.filled(values)
    have = values["nodes"]
    if have < lab.nodes:
        raise LabFault(
            f"lab {folder.name} needs {lab.nodes} Ready nodes, there are {have}: minik up --nodes {lab.nodes}"
        )
    for namespace in folder.namespaces().values():
        await _make_namespace(observer.client, folder, namespace, seed)
    await carry_out(observer, folder, lab.setup, values)


async def carry_out(observer: Observer, folder: LabFolder, steps: Sequence[Step], values: Values) -> None:
    """The steps in their order. Raises LabFault, StatusErrors."""
    for step in steps:
        if step.apply:
            await _apply(observer, folder, step, values)
        elif step.delete:
            kind, _, name = step.delete.partition("/")
            await _delete(observer, Objects(kind=kind, name=name))
        elif step.until is not None:
            await _wait_until(observer, step.until)


async def remove(observer: Observer, folder: LabFolder) -> None:
    """Delete the namespaces that the lab made, and return when they are gone."""
    found = (await observer.client.list(resources.NAMESPACES, label_selector=f"{LAB_LABEL}={folder.name}")).items
    names = list(map(name_of, found))
    for name in names:
        try:
            await observer.client.delete(resources.NAMESPACES, name)
        except (NotFound, Conflict):
            continue
    for name in names:
        await _wait(observer, Objects(kind="Namespace", name=name), lambda items: not items)


async def _make_namespace(client: Client, folder: LabFolder, name: str, seed: str) -> None:
    metadata = {"name": name, "labels": {LAB_LABEL: folder.name}, "annotations": {SEED_ANNOTATION: seed}}
    try:
        await client.create(resources.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    except AlreadyExists:
        again = f"minik lab reset {folder.name}"
        raise AlreadyStarted(f"namespace {name} is there already; to begin again: {again}") from None


async def _apply(observer: Observer, folder: LabFolder, step: Step, values: Values) -> None:
    applied = []
    for source, text in folder.manifests(step.apply, values):
        for obj in parse_manifests(source, text):
            applied.append(await _apply_one(observer, obj))
    for obj in applied if step.wait else ():
        await _wait_ready(observer, obj)


async def _apply_one(observer: Observer, obj: Object) -> Object:
    resource = ResourceTable().for_object(obj)
    where = (namespace_of(obj) or observer.namespace) if resource.namespaced else None
    told = {**annotations_of(obj), _LAST_APPLIED: orjson.dumps(obj).decode() + "\n"}
    sent = {**obj, "metadata": {**obj["metadata"], "annotations": told}}
    return await observer.client.patch(
        resource, name_of(obj), sent, where, kind=PatchKind.APPLY, field_manager=_MANAGER, force=True
    )


async def _wait_ready(observer: Observer, obj: Object) -> None:
    """Pods until they are Ready, workloads until all their pods are; nothing else is waited for."""
    kind = str(obj.get("kind"))
    counted = {"Deployment": "availableReplicas", "StatefulSet": "readyReplicas"}.get(kind)
    what = Objects(kind=kind, name=name_of(obj), namespace=namespace_of(obj))
    if kind == "Pod":
        await _wait(observer, what, lambda items: any(map(_is_ready, items)))
    elif counted and obj["spec"].get("replicas"):
        await _wait(observer, what, lambda items: any(_has(each, counted) for each in items))


def _has(workload: Object, counted: str) -> bool:
    status = workload.get("status") or {}
    current = status.get("observedGeneration") == workload["metadata"].get("generation")
    return bool(current and status.get(counted) == workload["spec"]["replicas"])


async def _delete(observer: Observer, what: Objects) -> None:
    resource = resource_of(what.kind)
    where = (what.namespace or observer.namespace) if resource.namespaced else None
    try:
        await observer.client.delete(resource, what.name, where)
    except NotFound:
        return
    await _wait(observer, what, lambda items: not items)


async def _wait_until(observer: Observer, until: Until) -> None:
    await _wait(observer, until.objects, lambda items: all(holds(each, items) for each in until.expect))


async def _wait(observer: Observer, what: Objects, done: Callable[[Sequence[Object]], bool]) -> None:
    """Until the objects are as wanted: looked at once, and again at every change of one of their kind."""
    resource = resource_of(what.kind)
    where = (what.namespace or observer.namespace) if resource.namespaced else None
    while True:
        revision = (await observer.client.list(resource, where)).resource_version
        try:
            async with aclosing(observer.client.watch(resource, where, resource_version=revision)) as events:
                if done(await observer.objects(what)):
                    return
                async for _ in events:
                    if done(await observer.objects(what)):
                        return
        except Gone:
            continue


def _is_ready(obj: Object) -> bool:
    return condition_is_true((obj.get("status") or {}).get("conditions"), "Ready")


def _internal_ip(node: Object) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((each["address"] for each in addresses if each["type"] == "InternalIP"), "")
