"""Keeps the EndpointSlices of every Service that has a selector.

A pod's readiness reaches the proxies through here: an event becomes a key, a plan and a PUT within a turn of the loop.
"""

from __future__ import annotations

import asyncio

from minikube_py.api.errors import StatusError
from minikube_py.api.meta import (
    condition_is_true,
    is_deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    owners_of,
    uid_of,
)
from minikube_py.api.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.endpointslice import slices
from minikube_py.controllers.endpointslice.desired import (
    ZONE,
    address_types,
    desired_endpoints,
    is_headless,
    matches,
    membership_changed,
)
from minikube_py.controllers.endpointslice.hints import apply_hints
from minikube_py.controllers.endpointslice.topology import NoHints, apply_topology, wants_topology
from minikube_py.controllers.endpointslice.triggers import TriggerTimes, stamped
from minikube_py.controllers.podcontrol import namespace_is_terminating

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
MANAGER = "endpointslice-controller.k8s.io"
_RESERVED = (MANAGED_BY, SERVICE_NAME, HEADLESS)
_LONGEST_NAME = 253 - 6


def by_service(entry: Object) -> list[str]:
    """Index function over slices: ``namespace/service``."""
    name = labels_of(entry).get(SERVICE_NAME)
    return [f"{namespace_of(entry)}/{name}"] if name else []


class EndpointSliceController(Controller):
    """One key per Service."""

    name = "endpoint-slice-controller"
    account = "endpointslice-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._services = self.follow(SERVICES)
        self._slices = self.follow(ENDPOINTSLICES, _service_of)
        self._pods = context.informers.of(PODS)
        self._nodes = context.informers.of(NODES)
        self._slices.add_index("service", by_service)
        self._triggers = TriggerTimes()
        ownership.index_by_node(self._pods)
        for informer in (self._services, self._pods):
            ownership.index_by_namespace(informer)
        #: Why a Service has no topology hints, "" where it has them.
        self._topology: dict[tuple[ObjectKey, str], str] = {}
        self._pods.subscribe(self._on_pod)
        self._nodes.subscribe(self._on_node)

    async def reconcile(self, key: ObjectKey) -> None:
        service = self._services.get(*key)
        if service is None or not _is_served(service):
            self._triggers.forget(key)
            return
        own = [entry for entry in self._slices.by_index("service", str(key)) if _is_managed(entry)]
        pods = [pod for pod in ownership.in_namespace(self._pods, key.namespace) if matches(service, pod)]
        changes, incomplete = self._plan(service, pods, own)
        await self._write(service, changes, self._triggers.of(service, pods))
        if incomplete:
            self.queue.add_rate_limited(key)  # a pod's node is not known yet

    def _plan(self, service: Object, pods: list[Object], own: list[Object]) -> tuple[slices.Changes, bool]:
        families = address_types(service)
        changes = slices.Changes(delete=[entry for entry in own if entry.get("addressType") not in families])
        incomplete = False
        for family in families:
            existing = [entry for entry in own if entry.get("addressType") == family]
            desired = desired_endpoints(service, pods, lambda name: self._nodes.get("", name), family)
            blueprint = blueprint_for(service, family)
            planned = slices.plan_family(existing, desired.by_ports, blueprint, lambda entry: _is_owned(entry, service))
            changes.extend(self._hinted(service, planned, family))
            incomplete = incomplete or desired.incomplete
        return changes, incomplete

    def _hinted(self, service: Object, planned: slices.Changes, family: str) -> slices.Changes:
        """With the hints that the Service asks for; says so when they become possible, or impossible."""
        key = (key_of(service), family)
        if not wants_topology(service):
            self._topology.pop(key, None)
            return apply_hints(service, planned)
        try:
            hinted, obstacle = apply_topology(planned, self._nodes.list()), ""
        except NoHints as reason:
            hinted, obstacle = apply_hints({}, planned), str(reason)
        if self._topology.get(key) != obstacle:
            self._topology[key] = obstacle
            kind, verdict = ("Warning", "Disabled") if obstacle else ("Normal", "Enabled")
            message = obstacle or "Topology Aware Hints has been enabled"
            self.events.event(service, kind, f"TopologyAwareHints{verdict}", f"{message}, addressType: {family}")
        return hinted

    async def _write(self, service: Object, changes: slices.Changes, time: str) -> None:
        create, update = ([stamped(entry, time) for entry in given] for given in (changes.create, changes.update))
        try:
            if not is_deleting(service):
                await asyncio.gather(*(self.writes.create(ENDPOINTSLICES, entry) for entry in create))
            await asyncio.gather(*(self.writes.update(ENDPOINTSLICES, entry) for entry in update))
            await asyncio.gather(*(self.writes.delete(ENDPOINTSLICES, entry) for entry in changes.delete))
        except StatusError as error:
            if namespace_is_terminating(error):
                return
            message = f"Error updating Endpoint Slices for Service {key_of(service)}: {error.message}"
            self.events.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
            raise

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and not membership_changed(old, new):
            return
        for pod in (new, old):
            if pod is not None:
                self._add_services(pod)

    def _add_services(self, pod: Object) -> None:
        for service in ownership.in_namespace(self._services, namespace_of(pod)):
            if matches(service, pod):
                self.queue.add(key_of(service))

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        """A node that comes, or moves to another zone, changes the endpoints on it; any zone's CPU changes hints."""
        if _weight(old) != _weight(new):
            for service in self._services.list():
                if wants_topology(service):
                    self.queue.add(key_of(service))
        if new is None or (old is not None and labels_of(old).get(ZONE) == labels_of(new).get(ZONE)):
            return
        for pod in ownership.on_node(self._pods, name_of(new)):
            self._add_services(pod)


def blueprint_for(service: Object, family: str) -> slices.Blueprint:
    """What a new slice of the Service looks like."""
    labels = {key: value for key, value in labels_of(service).items() if key not in _RESERVED}
    labels |= {SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER} | ({HEADLESS: ""} if is_headless(service) else {})
    owner = owner_reference(service | {"apiVersion": "v1", "kind": "Service"})
    meta = {
        "generateName": f"{name_of(service)[:_LONGEST_NAME]}-",
        "namespace": namespace_of(service),
        "labels": labels,
        "ownerReferences": [owner],
    }
    empty = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": family,
    }
    return slices.Blueprint(empty, labels)


def _weight(node: Object | None) -> tuple[object, ...]:
    """What of a node counts for topology hints."""
    status = (node or {}).get("status") or {}
    ready = condition_is_true(status.get("conditions"), "Ready")
    return labels_of(node or {}).get(ZONE), (status.get("allocatable") or {}).get("cpu"), ready


def _is_served(service: Object) -> bool:
    spec = service.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def _is_managed(entry: Object) -> bool:
    return labels_of(entry).get(MANAGED_BY) == MANAGER and not is_deleting(entry)


def _is_owned(entry: Object, service: Object) -> bool:
    return any(ref.get("uid") == uid_of(service) and ref.get("kind") == "Service" for ref in owners_of(entry))


def _service_of(entry: Object) -> list[ObjectKey]:
    name = labels_of(entry).get(SERVICE_NAME)
    managed = labels_of(entry).get(MANAGED_BY) == MANAGER
    return [ObjectKey(namespace_of(entry), name)] if name and managed else []
