"""What DNS needs to know of Services and EndpointSlices, and nothing more."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from minikube_py.api.meta import labels_of, name_of, namespace_of
from minikube_py.api.types import Object, ObjectKey

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class Port(NamedTuple):
    """A named or unnamed port; ``protocol`` in lower case, as it stands in a name."""

    name: str
    protocol: str
    number: int


class Endpoint(NamedTuple):
    """An address of a ready endpoint and the hostname it is known by, "" where it has none of its own."""

    address: str
    hostname: str
    ready: bool

    @property
    def label(self) -> str:
        """The endpoint's _hostname_ in the specification's sense: its own, or one made from its address."""
        return self.hostname or self.address.replace(".", "-").replace(":", "-")


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A Service. ``addresses`` is empty for headless and ExternalName Services."""

    key: ObjectKey
    addresses: tuple[str, ...]
    ports: tuple[Port, ...]
    headless: bool
    external_name: str
    publish_not_ready: bool

    @classmethod
    def from_object(cls, obj: Object) -> ServiceView:
        spec = obj.get("spec") or {}
        external = str(spec.get("externalName") or "") if spec.get("type") == "ExternalName" else ""
        listed = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
        addresses = () if external else tuple(ip for ip in listed if ip and ip != "None")
        return cls(
            key=ObjectKey(namespace_of(obj), name_of(obj)),
            addresses=addresses,
            ports=_ports(spec.get("ports") or ()),
            headless=not external and "None" in listed,
            external_name=external,
            publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        )


@dataclass(frozen=True, slots=True)
class SliceView:
    """An EndpointSlice of IP addresses; slices of names (addressType FQDN) have no endpoints here."""

    service: ObjectKey
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]

    @classmethod
    def from_object(cls, obj: Object) -> SliceView:
        endpoints = [endpoint for entry in obj.get("endpoints") or () for endpoint in _endpoints(entry)]
        return cls(
            service=ObjectKey(namespace_of(obj), labels_of(obj).get(SERVICE_NAME_LABEL, "")),
            ports=_ports(obj.get("ports") or ()),
            endpoints=tuple(endpoints) if obj.get("addressType") in ("IPv4", "IPv6") else (),
        )


def _ports(entries: Iterable[dict[str, Any]]) -> tuple[Port, ...]:
    """Ports without a number ("all ports", in slices) are none that a record could name."""
    return tuple(
        Port(str(entry.get("name") or "").lower(), str(entry.get("protocol") or "TCP").lower(), int(entry["port"]))
        for entry in entries
        if entry.get("port")
    )


def _endpoints(entry: dict[str, Any]) -> Iterable[Endpoint]:
    """The first address of an endpoint: the others have no meaning to consumers (EndpointSlice API documentation)."""
    ready = (entry.get("conditions") or {}).get("ready")
    for address in (entry.get("addresses") or ())[:1]:
        if is_address(address):
            yield Endpoint(address, str(entry.get("hostname") or "").lower(), ready is None or bool(ready))


def is_address(text: str) -> bool:
    """Whether ``text`` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
