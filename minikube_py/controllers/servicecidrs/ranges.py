"""Which ServiceCIDRs cover an address or each other, and whether one may go. Pure.

Semantics: KEP-1880 and kubernetes/kubernetes pkg/api/servicecidr, pkg/controller/servicecidrs.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from minikube_py.api.meta import name_of
from minikube_py.api.types import Object


def cidrs_of(entry: Object) -> list[str]:
    """The ranges of a ServiceCIDR, one of each family at most."""
    found: list[str] = (entry.get("spec") or {}).get("cidrs") or []
    return found


def covers(entry: Object, address: IPv4Address | IPv6Address) -> bool:
    """Whether a Service can have the address from it. Network and IPv4 broadcast addresses are nobody's."""
    for network in map(ip_network, cidrs_of(entry)):
        unusable = [network.network_address, *([network.broadcast_address] if network.version == 4 else [])]
        if address in network and address not in unusable:
            return True
    return False


def contains(entry: Object, cidr: str) -> bool:
    """Whether a range of this ServiceCIDR is, or encloses, ``cidr``."""
    inner = ip_network(cidr)
    return any(_encloses(ip_network(text), inner) for text in cidrs_of(entry))


def blocked_by(going: Object, ranges: Iterable[Object], addresses: Iterable[str]) -> str | None:
    """An address (of ``addresses``, names of Services' IPAddresses) that no range would cover without ``going``."""
    others = [entry for entry in ranges if name_of(entry) != name_of(going)]
    if all(any(contains(entry, cidr) for entry in others) for cidr in cidrs_of(going)):
        return None
    for text in addresses:
        address = ip_address(text)
        if covers(going, address) and not any(covers(entry, address) for entry in others):
            return text
    return None


def _encloses(outer: Any, inner: Any) -> bool:
    return outer.version == inner.version and bool(inner.subnet_of(outer))
