"""What an IPAddress should say, judged from the Services that claim it. Pure.

Semantics and words: kubernetes/kubernetes pkg/registry/core/service/ipallocator/controller (``RepairIPAddress``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from minikube_py.api.meta import key_of, labels_of, metadata, name_of, namespace_of, parse_time
from minikube_py.api.types import Object, ObjectKey

MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"
_FAMILY = "ipaddress.kubernetes.io/ip-family"
#: A request may take this long: until then an address may belong to a Service that is still being written.
UNCLAIMED_SECONDS = 60.0
FRESH_SECONDS = 5.0
_NOT_ALLOCATED = "ClusterIPNotAllocated"


class Repair(Enum):
    """What to do with the IPAddress object."""

    NOTHING = "nothing"
    CREATE = "create"
    RECREATE = "recreate"
    DELETE = "delete"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Note:
    """A Warning to record."""

    about: Object
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """``holder`` is the Service an IPAddress is made for; ``seconds`` is how long to wait before the next look."""

    repair: Repair
    holder: Object | None = None
    notes: Sequence[Note] = ()
    seconds: float = 0.0


#: Finds a Service by its key.
Services = Callable[[ObjectKey], Object | None]


def cluster_ips(service: Object) -> list[str]:
    """The cluster addresses that a Service has."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    return [text for text in spec.get("clusterIPs") or () if text and text != "None"]


def address_for(address: str, service: Object) -> Object:
    """The IPAddress that says that ``service`` has ``address``."""
    labels = {_FAMILY: _family(address), MANAGED_BY: MANAGER}
    parent = {"resource": "services", "namespace": namespace_of(service), "name": name_of(service)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {"name": address, "labels": labels},
        "spec": {"parentRef": parent},
    }


def judge(
    address: str, found: Object | None, holders: Sequence[Object], *, services: Services, covered: bool, now: datetime
) -> Judgement:
    """What is wrong with ``address``: ``found`` is its IPAddress, ``holders`` the Services that have it.

    ``covered`` tells whether any ServiceCIDR has it.
    """
    if not holders:
        return _unheld(address, found, services=services, now=now) if found is not None else Judgement(Repair.NOTHING)
    if not covered:
        text = f"Cluster IP [{_family(address)}]: {address} is not within any configured Service CIDR"
        notes = [Note(each, "ClusterIPOutOfRange", f"{text}; please recreate service") for each in holders]
        return Judgement(Repair.NOTHING, notes=notes)
    first = min(holders, key=lambda each: (metadata(each).get("creationTimestamp") or "", key_of(each)))
    if found is None:
        text = f"Cluster IP [{_family(address)}]: {address} is not allocated; repairing"
        return Judgement(Repair.CREATE, first, [Note(first, _NOT_ALLOCATED, text)])
    parent = parent_service(found)
    others = [each for each in holders if key_of(each) != parent]
    if len(others) == len(holders):
        text = f"the ClusterIP [{_family(address)}]: {address} for Service {key_of(first)} has a wrong reference"
        return Judgement(Repair.RECREATE, first, [Note(first, _NOT_ALLOCATED, f"{text}; repairing")])
    text = f"Cluster IP [{_family(address)}]:{address} was assigned to multiple services; please recreate service"
    notes = [Note(each, "ClusterIPAlreadyAllocated", text) for each in others]
    holder = next(each for each in holders if key_of(each) == parent)
    wrong = any(labels_of(found).get(key) != value for key, value in _labels(address, holder).items())
    return Judgement(Repair.RECREATE if wrong else Repair.NOTHING, holder, notes)


def parent_service(found: Object) -> ObjectKey | None:
    """The Service that an IPAddress names; None where it names something else."""
    parent = (found.get("spec") or {}).get("parentRef") or {}
    if parent.get("group") or parent.get("resource") != "services":
        return None
    return ObjectKey(parent.get("namespace") or "", parent.get("name") or "")


def _unheld(address: str, found: Object, *, services: Services, now: datetime) -> Judgement:
    if labels_of(found).get(MANAGED_BY) != MANAGER:
        return Judgement(Repair.NOTHING)
    parent = parent_service(found)
    if parent is None:
        said = (found.get("spec") or {}).get("parentRef")
        text = f"IPAddress {address} appears to have been modified, not referencing a Service {said}: cleaning up"
        return Judgement(Repair.DELETE, notes=[Note(found, "IPAddressNotAllocated", text)])
    service = services(parent)
    born = parse_time(metadata(found)["creationTimestamp"])
    left = _patience(service, born) - (now - born).total_seconds()
    if left > 0:
        return Judgement(Repair.WAIT, seconds=left)
    if service is None:
        text = f"IPAddress: {address} for Service {parent} appears to have leaked: cleaning up"
        return Judgement(Repair.DELETE, notes=[Note(found, "IPAddressNotAllocated", text)])
    text = f"IPAddress: {address} for Service {parent} has a wrong reference; cleaning up"
    return Judgement(Repair.DELETE, notes=[Note(found, "IPAddressWrongReference", text)])


def _patience(service: Object | None, born: datetime) -> float:
    """How old an address that nobody has must be to be a leak: it may be younger than the write that takes it."""
    if service is None or (service.get("spec") or {}).get("type") == "ExternalName":
        return UNCLAIMED_SECONDS
    return FRESH_SECONDS if born > parse_time(metadata(service)["creationTimestamp"]) else 0.0


def _labels(address: str, service: Object) -> dict[str, Any]:
    return labels_of(address_for(address, service))


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"
