"""Mirrors hand-made Endpoints (of Services without a selector) as EndpointSlices, which is what proxies read.

Semantics: KEP-1713 and kubernetes/kubernetes pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

import asyncio

from minikube_py.api.meta import (
    annotations_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    owners_of,
    uid_of,
)
from minikube_py.api.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.endpointslice import slices
from minikube_py.controllers.endpointslice.controller import MANAGED_BY, SERVICE_NAME, by_service
from minikube_py.controllers.endpointslice.desired import IPV4, IPV6, EndpointKey, Ports, key_of_endpoint, ports_of

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time"}
)
#: Addresses of one subset that are mirrored at most; all go into one slice.
MAX_PER_SUBSET = 1000

Grouped = dict[Ports, dict[EndpointKey, Object]]


class EndpointSliceMirroringController(Controller):
    """One key per Endpoints object."""

    name = "endpoint-slice-mirroring-controller"
    account = "endpointslicemirroring-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._endpoints = self.follow(ENDPOINTS)
        self._services = self.follow(SERVICES)
        self._slices = self.follow(ENDPOINTSLICES, _mirrored)
        self._slices.add_index("service", by_service)

    async def reconcile(self, key: ObjectKey) -> None:
        endpoints, service = self._endpoints.get(*key), self._services.get(*key)
        own = [entry for entry in self._slices.by_index("service", str(key)) if _is_own(entry)]
        if endpoints is None or service is None or not should_mirror(endpoints, service):
            await asyncio.gather(*(self.writes.delete(ENDPOINTSLICES, entry) for entry in own))
            return
        for family in (IPV4, IPV6):
            existing = [entry for entry in own if entry.get("addressType") == family]
            await self._write(plan_mirror(endpoints, existing, family))

    async def _write(self, changes: slices.Changes) -> None:
        for entry in changes.create:
            await self.writes.create(ENDPOINTSLICES, entry)
        for entry in changes.update:
            await self.writes.update(ENDPOINTSLICES, entry)
        for entry in changes.delete:
            await self.writes.delete(ENDPOINTSLICES, entry)


def should_mirror(endpoints: Object, service: Object) -> bool:
    """Hand-made, not opted out, not a lock, and of a Service that selects nothing itself."""
    if labels_of(endpoints).get(SKIP) == "true" or _LEADER in annotations_of(endpoints):
        return False
    return not (service.get("spec") or {}).get("selector") and not is_deleting(endpoints)


def plan_mirror(endpoints: Object, existing: list[Object], family: str) -> slices.Changes:
    """The slices of one family. No endpoint, no slice: there is no placeholder here."""
    wanted = mirrored_endpoints(endpoints, family)
    changes = slices.plan_family(
        existing, wanted, _blueprint(endpoints, family), lambda entry: _owned(entry, endpoints)
    )
    if not wanted:
        return slices.Changes(delete=list(existing))
    return changes


def mirrored_endpoints(endpoints: Object, family: str) -> Grouped:
    """The addresses of one family by the ports of their subset."""
    found: Grouped = {}
    for subset in endpoints.get("subsets") or ():
        listed = [(address, True) for address in subset.get("addresses") or ()]
        listed += [(address, False) for address in subset.get("notReadyAddresses") or ()]
        ours = [(address, ready) for address, ready in listed if (":" in address["ip"]) == (family == IPV6)]
        for address, ready in ours[:MAX_PER_SUBSET]:
            endpoint = _endpoint(address, ready)
            found.setdefault(ports_of(subset.get("ports")), {})[key_of_endpoint(endpoint)] = endpoint
    return found


def _endpoint(address: Object, ready: bool) -> Object:
    endpoint: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for name in ("hostname", "nodeName", "targetRef"):
        if address.get(name):
            endpoint[name] = address[name]
    return endpoint


def _blueprint(endpoints: Object, family: str) -> slices.Blueprint:
    labels = labels_of(endpoints) | {SERVICE_NAME: name_of(endpoints), MANAGED_BY: MANAGER}
    annotations = {key: value for key, value in annotations_of(endpoints).items() if key not in _NOT_COPIED}
    meta = {
        "generateName": f"{name_of(endpoints)[:247]}-",
        "namespace": namespace_of(endpoints),
        "labels": labels,
        "ownerReferences": [owner_reference(endpoints | {"apiVersion": "v1", "kind": "Endpoints"})],
    }
    if annotations:
        meta["annotations"] = annotations
    empty = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "addressType": family}
    return slices.Blueprint(empty, labels, MAX_PER_SUBSET)


def _is_own(entry: Object) -> bool:
    return labels_of(entry).get(MANAGED_BY) == MANAGER


def _owned(entry: Object, endpoints: Object) -> bool:
    return any(ref.get("uid") == uid_of(endpoints) for ref in owners_of(entry))


def _mirrored(entry: Object) -> list[ObjectKey]:
    name = labels_of(entry).get(SERVICE_NAME)
    return [ObjectKey(namespace_of(entry), name)] if name and _is_own(entry) else []
