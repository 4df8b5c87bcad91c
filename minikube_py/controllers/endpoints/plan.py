"""From a Service and its pods to the subsets of its Endpoints. Pure.

Semantics: kubernetes/kubernetes pkg/controller/endpoint and pkg/api/v1/endpoints (RepackSubsets).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minikube_py.api.meta import annotations_of, labels_of, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.desired import (
    Ports,
    address_types,
    belongs,
    hostname_of,
    is_headless,
    pod_addresses,
    port_objects,
    ports_for,
    target_ref,
)
from minikube_py.controllers.podstate import is_ready, node_of

CAPACITY = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
_HEADLESS = "service.kubernetes.io/headless"
#: Ports that no pod address is behind: only a headless Service has them.
_READY, _UNREADY = "addresses", "notReadyAddresses"


def plan_endpoints(service: Object, pods: Iterable[Object], current: Object | None) -> Object | None:
    """The Endpoints object there should be; None where the one that is there will do."""
    subsets, truncated = truncate(plan_subsets(service, pods))
    labels = {key: value for key, value in labels_of(service).items() if key not in (_HEADLESS, MANAGED_BY)}
    labels |= {MANAGED_BY: MANAGER} | ({_HEADLESS: ""} if is_headless(service) else {})
    annotations = {key: value for key, value in annotations_of(current or {}).items() if key != OVER_CAPACITY}
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    if current is not None and _same(current, subsets, labels, annotations):
        return None
    base = (current or {}).get("metadata") or {"name": name_of(service), "namespace": namespace_of(service)}
    meta = base | {"labels": labels}
    if annotations or "annotations" in meta:
        meta["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets}


def plan_subsets(service: Object, pods: Iterable[Object]) -> list[Object]:
    """Ready and unready addresses, grouped by the ports they have."""
    publish = bool((service.get("spec") or {}).get("publishNotReadyAddresses"))
    family = address_types(service)[0]
    grouped: dict[Ports, dict[str, list[Object]]] = {}
    for pod in sorted(pods, key=name_of):
        if not belongs(pod, include_terminating=publish):
            continue
        addresses = pod_addresses(pod, family)
        ports = ports_for(service, pod)
        if not addresses or not (ports or is_headless(service)):
            continue
        group = grouped.setdefault(ports, {_READY: [], _UNREADY: []})
        group[_READY if publish or is_ready(pod) else _UNREADY].append(_address(service, pod, addresses[0]))
    return [_subset(ports, group) for ports, group in sorted(grouped.items(), key=lambda item: str(item[0]))]


def truncate(subsets: Sequence[Object]) -> tuple[list[Object], bool]:
    """At most CAPACITY addresses: the unready go first, then each subset gives up its share."""
    ready = sum(len(subset.get(_READY) or ()) for subset in subsets)
    unready = sum(len(subset.get(_UNREADY) or ()) for subset in subsets)
    if ready + unready <= CAPACITY:
        return list(subsets), False
    kept_ready = min(ready, CAPACITY)
    kept_unready = CAPACITY - kept_ready
    rooms = {_READY: [kept_ready, ready], _UNREADY: [kept_unready, unready]}
    return [_truncated(subset, rooms) for subset in subsets], True


def _truncated(subset: Object, rooms: dict[str, list[int]]) -> Object:
    """Takes the subset's proportional part of what room is left, rounded up so that all room is used."""
    short = {"ports": subset["ports"]} if subset.get("ports") else {}
    for kind, (room, left) in rooms.items():
        listed = subset.get(kind) or []
        part = -(-len(listed) * room // left) if left else 0
        rooms[kind] = [room - part, left - len(listed)]
        if listed[:part]:
            short[kind] = listed[:part]
    return short


def _address(service: Object, pod: Object, ip: str) -> Object:
    address: Object = {"ip": ip, "targetRef": target_ref(pod)}
    if node_of(pod):
        address["nodeName"] = node_of(pod)
    hostname = hostname_of(service, pod)
    return address | ({"hostname": hostname} if hostname else {})


def _subset(ports: Ports, group: dict[str, list[Object]]) -> Object:
    subset: Object = {kind: listed for kind, listed in group.items() if listed}
    listed_ports = []
    for port in port_objects(ports):
        listed_ports.append(port if port["name"] else {key: value for key, value in port.items() if key != "name"})
    return subset | ({"ports": listed_ports} if listed_ports else {})


def _same(current: Object, subsets: list[Object], labels: Object, annotations: Object) -> bool:
    return (
        (current.get("subsets") or []) == subsets
        and labels_of(current) == labels
        and annotations_of(current) == annotations
    )
