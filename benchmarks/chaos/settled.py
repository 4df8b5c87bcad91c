"""Whether what is observed is what is desired: every complaint in words, nothing where all is well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.chaos.census import Census
from benchmarks.chaos.target import NAMESPACE, Target, running_on
from minikube_py.api.meta import condition_is_true, is_deleting, labels_of, name_of
from minikube_py.api.resources import DAEMONSETS, DEPLOYMENTS, ENDPOINTSLICES, JOBS, NODES, PODS, STATEFULSETS
from minikube_py.api.types import Object
from minikube_py.client.rest import Client

_SERVICE = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Picture:
    """The objects of the namespace, and the nodes' proxy tables."""

    nodes: list[Object]
    pods: list[Object]
    deployments: list[Object]
    stateful_sets: list[Object]
    daemon_sets: list[Object]
    jobs: list[Object]
    slices: list[Object]
    tables: dict[str, Object]


async def look(client: Client, target: Target) -> Picture:
    kinds = (PODS, DEPLOYMENTS, STATEFULSETS, DAEMONSETS, JOBS, ENDPOINTSLICES)
    lists = [(await client.list(kind, NAMESPACE)).items for kind in kinds]
    tables = {node: json.loads(await client.raw(f"/api/v1/nodes/{node}/proxy/debug/proxy")) for node in target.nodes}
    return Picture((await client.list(NODES)).items, *lists, tables)


def complaints(picture: Picture) -> Iterator[str]:
    """What the objects say of each other."""
    for node in picture.nodes:
        if not condition_is_true((node.get("status") or {}).get("conditions"), "Ready"):
            yield f"node {name_of(node)} is not Ready"
    for pod in picture.pods:
        yield from _pod(pod)
    for one in picture.deployments:
        yield from _counts(one, ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))
    for one in picture.stateful_sets:
        yield from _counts(one, ("replicas", "updatedReplicas", "readyReplicas"))
    for one in picture.daemon_sets:
        yield from _daemons(one, len(picture.nodes))
    for one in picture.jobs:
        conditions = (one.get("status") or {}).get("conditions")
        if not (condition_is_true(conditions, "Complete") or condition_is_true(conditions, "Failed")):
            yield f"job {name_of(one)} has not ended: {one.get('status')}"
    yield from _endpoints(picture)


def _pod(pod: Object) -> Iterator[str]:
    status, name = pod.get("status") or {}, name_of(pod)
    if is_deleting(pod):
        yield f"pod {name} is still being deleted on {pod['spec'].get('nodeName')}"
    elif status.get("phase") == "Running":
        if not condition_is_true(status.get("conditions"), "Ready"):
            yield f"pod {name} on {pod['spec'].get('nodeName')} is not Ready: {status.get('containerStatuses')}"
    elif status.get("phase") not in ("Succeeded", "Failed"):
        yield f"pod {name} on {pod['spec'].get('nodeName')} is {status.get('phase')}: {status.get('conditions')}"


def _counts(one: Object, names: tuple[str, ...]) -> Iterator[str]:
    status, wanted = one.get("status") or {}, one["spec"]["replicas"]
    counts = {name: status.get(name, 0) for name in names}
    current = status.get("observedGeneration") == one["metadata"]["generation"]
    if not current or set(counts.values()) != {wanted}:
        yield f"{one['kind']} {name_of(one)} wants {wanted}: {counts}, current {current}"


def _daemons(one: Object, nodes: int) -> Iterator[str]:
    status = one.get("status") or {}
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    counts = {name: status.get(name, 0) for name in names}
    current = status.get("observedGeneration") == one["metadata"]["generation"]
    if not current or set(counts.values()) != {nodes} or status.get("numberMisscheduled"):
        yield f"DaemonSet {name_of(one)} wants {nodes}: {status}"


def _endpoints(picture: Picture) -> Iterator[str]:
    """Ready pods, ready endpoints and every node's table of the Service ``web`` name the same addresses."""
    ready = {
        f"{pod['status'].get('podIP')}:8080"
        for pod in picture.pods
        if labels_of(pod).get("app") == "web" and condition_is_true(pod["status"].get("conditions"), "Ready")
    }
    published = {
        f"{address}:{port['port']}"
        for one in picture.slices
        if labels_of(one).get(_SERVICE) == "web"
        for endpoint in one.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
        for port in one.get("ports") or ()
    }
    if ready != published:
        yield f"the pods' addresses {sorted(ready)} are not the slices' {sorted(published)}"
    for node, table in picture.tables.items():
        routes = [route for route in table["routes"] if route["service"] == f"{NAMESPACE}/web"]
        programmed = {endpoint["address"] for route in routes for endpoint in route["endpoints"]}
        if programmed != ready or not table["synced"]:
            yield f"{node} sends to {sorted(programmed)}, ready are {sorted(ready)}"


def against(picture: Picture, node: str, census: Census, before: Census) -> Iterator[str]:
    """What the node's kernel has against what the objects say runs there: a process per container, a wire per pod."""
    here = [pod for pod in picture.pods if pod["spec"].get("nodeName") == node]
    alive = [pod for pod in here if pod["status"].get("phase") == "Running"]
    containers = running_on(node, picture.pods)
    if len(census.containers) != len(containers):
        yield f"{node} runs {sorted(census.containers)}, said to run are {containers}"
    wires = len(census.interfaces - before.interfaces)
    if wires != len(alive):
        yield f"{node} has {wires} wires for {len(alive)} pods: {sorted(name_of(pod) for pod in alive)}"
    known = {pod["metadata"]["uid"] for pod in here}
    for file in census.files - before.files:
        folder, _, name = file.partition("/")
        if folder in ("pods", "network") and name not in known:
            yield f"{node} keeps {file} of no pod"
