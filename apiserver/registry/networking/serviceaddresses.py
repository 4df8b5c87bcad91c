"""The objects that stand for Services' addresses: an IPAddress for each that is held, and their ServiceCIDR.

They show who holds what (KEP-1880). The books themselves are ``core.service.allocators``: there, an address is taken in
the same step as the Service is committed. Objects made by hand count too: an IPAddress keeps its address from Services,
a ServiceCIDR that is ready gives them more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from apiserver.registry.core.service.allocators import addresses_of, family_of
from minikube_py.api.meta import condition_is_true, format_time, is_deleting, name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.config.parts import Network

DEFAULT_RANGE = "kubernetes"
_FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
_MANAGER_LABEL = "ipaddress.kubernetes.io/managed-by"
_MANAGER = "ipallocator.k8s.io"
_READY = "Kubernetes default Service CIDR is ready"


def address_object(address: str, service: Object) -> Object:
    """The IPAddress that says that ``service`` holds ``address``."""
    parent = {"resource": "services", "namespace": namespace_of(service), "name": name_of(service)}
    labels = {_FAMILY_LABEL: family_of(address), _MANAGER_LABEL: _MANAGER}
    return {"metadata": {"name": address, "labels": labels}, "spec": {"parentRef": parent}}


def address_changes(old: Object | None, new: Object | None) -> tuple[list[Object], list[str]]:
    """What a change of a Service (None: not there) means: IPAddresses to create, names of those to delete."""
    before, after = addresses_of(old), addresses_of(new)
    taken = [address_object(address, new) for address in after if new is not None and address not in before]
    return taken, [address for address in before if address not in after]


def default_range(network: Network) -> Object:
    """The ServiceCIDR ``kubernetes``: the ranges that the cluster was made with."""
    return {"metadata": {"name": DEFAULT_RANGE}, "spec": {"cidrs": list(network.service_cidrs)}}


def ranges_in_use(ranges: Iterable[Object]) -> list[str]:
    """The CIDRs that addresses are given out of: those of ranges that are ready and not being deleted."""
    found: list[str] = []
    for entry in sorted(ranges, key=lambda each: (name_of(each) != DEFAULT_RANGE, name_of(each))):
        conditions = (entry.get("status") or {}).get("conditions")
        if condition_is_true(conditions, "Ready") and not is_deleting(entry):
            found += (entry.get("spec") or {}).get("cidrs") or ()
    return found


def ready_status(now: datetime) -> Object:
    """The status of a range that addresses can be had from."""
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": _READY,
        "lastTransitionTime": format_time(now),
    }
    return {"conditions": [condition]}
