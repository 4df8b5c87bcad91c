"""What the cloud reads of Services and Nodes: narrow, frozen, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

from minikube_py.api.meta import annotations_of, is_deleting, key_of, labels_of, name_of
from minikube_py.api.types import Object, ObjectKey

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
CLASS = "minik.io/balancer"
#: Addresses a Service wants, comma-separated; ``spec.loadBalancerIP`` (deprecated upstream) means the same.
ADDRESS_ANNOTATION = "minik.io/load-balancer-ips"
#: ``Proxy`` keeps pods from short-circuiting the balancer (KEP-1860).
IP_MODE_ANNOTATION = "minik.io/load-balancer-ip-mode"
#: ``v1``: every connection to a node begins with a PROXY protocol line that names the client.
PROXY_PROTOCOL_ANNOTATION = "minik.io/proxy-protocol"
#: Written by us: where each port is to be had on the machine's loopback.
PUBLISHED_ANNOTATION = "minik.io/published"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
_TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"


@dataclass(frozen=True, slots=True)
class BalancedPort:
    """One port of the balancer. ``node_port`` 0: the Service was told to have none."""

    name: str
    protocol: str
    port: int
    node_port: int


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """A Service of type LoadBalancer that is ours to serve."""

    key: ObjectKey
    families: tuple[str, ...]
    requested: tuple[str, ...]
    ports: tuple[BalancedPort, ...]
    source_ranges: tuple[str, ...]
    affinity_seconds: int
    local: bool
    health_check_node_port: int
    ip_mode: str
    proxy_protocol: bool

    @property
    def past_nodes(self) -> bool:
        """Whether it has ports that no node has, and goes to the pods themselves with them."""
        return not all(port.node_port for port in self.ports)

    @classmethod
    def from_object(cls, service: Object) -> LoadBalancer | None:
        """The view; None for a Service that is not, or no longer, ours to balance."""
        spec = service.get("spec") or {}
        mine = spec.get("loadBalancerClass") in (None, "", CLASS)
        if spec.get("type") != "LoadBalancer" or not mine or is_deleting(service):
            return None
        notes = annotations_of(service)
        local = spec.get("externalTrafficPolicy") == "Local"
        proxy_protocol = notes.get(PROXY_PROTOCOL_ANNOTATION) == "v1"
        return cls(
            key=key_of(service),
            families=tuple(spec.get("ipFamilies") or ("IPv4",)),
            requested=_addresses(notes.get(ADDRESS_ANNOTATION) or spec.get("loadBalancerIP") or ""),
            ports=tuple(_port(port) for port in spec.get("ports") or ()),
            source_ranges=_networks(spec.get("loadBalancerSourceRanges") or ()),
            affinity_seconds=_affinity(spec),
            local=local,
            health_check_node_port=int(spec.get("healthCheckNodePort") or 0) if local else 0,
            ip_mode="Proxy" if proxy_protocol or notes.get(IP_MODE_ANNOTATION) == "Proxy" else "VIP",
            proxy_protocol=proxy_protocol,
        )

    @classmethod
    def at_the_edge(cls, service: Object) -> LoadBalancer | None:
        """What a machine's published ports carry of a Service: its node ports, and a balancer's own ports."""
        spec = service.get("spec") or {}
        ports = [port for port in map(_port, spec.get("ports") or ()) if port.node_port]
        if spec.get("type") not in ("NodePort", "LoadBalancer") or not ports or is_deleting(service):
            return None
        local = spec.get("externalTrafficPolicy") == "Local"
        own = [replace(port, port=port.node_port) for port in ports]
        return cls(
            key=key_of(service),
            families=(),
            requested=(),
            ports=(*own, *(ports if spec["type"] == "LoadBalancer" else ())),
            source_ranges=(),
            affinity_seconds=_affinity(spec),
            local=local,
            health_check_node_port=int(spec.get("healthCheckNodePort") or 0) if local else 0,
            ip_mode="Proxy",
            proxy_protocol=False,
        )


@dataclass(frozen=True, slots=True)
class TargetNode:
    """A node that may get traffic."""

    name: str
    addresses: tuple[str, ...]

    @classmethod
    def from_object(cls, node: Object) -> TargetNode | None:
        """The view; None for a node that asks to be left out, is being deleted, or has no address yet."""
        taints = (node.get("spec") or {}).get("taints") or ()
        doomed = is_deleting(node) or any(taint.get("key") == _TO_BE_DELETED_TAINT for taint in taints)
        listed = (node.get("status") or {}).get("addresses") or ()
        addresses = tuple(entry["address"] for entry in listed if entry.get("type") == "InternalIP")
        if doomed or EXCLUDE_LABEL in labels_of(node) or not addresses:
            return None
        return cls(name_of(node), addresses)


@dataclass(frozen=True, slots=True)
class PodSlice:
    """An EndpointSlice: where the pods of a Service are to be had, for ports that no node has."""

    service: ObjectKey
    family: str
    ports: tuple[tuple[str, str, int], ...]
    ready: tuple[str, ...]
    ending: tuple[str, ...]

    @classmethod
    def from_object(cls, piece: Object) -> PodSlice:
        """The view. ``ending`` are those that serve while they terminate (KEP-1669)."""
        entries = [each for each in piece.get("endpoints") or () if each.get("addresses")]
        conditions = [(each["addresses"][0], each.get("conditions") or {}) for each in entries]
        ports = piece.get("ports") or ()
        return cls(
            service=ObjectKey(key_of(piece).namespace, labels_of(piece).get(SERVICE_NAME_LABEL, "")),
            family=piece.get("addressType") or "IPv4",
            ports=tuple((p.get("name") or "", p.get("protocol") or "TCP", int(p.get("port") or 0)) for p in ports),
            ready=tuple(ip for ip, state in conditions if state.get("ready") is not False),
            ending=tuple(ip for ip, state in conditions if state.get("terminating") and state.get("serving")),
        )

    def places(self, port: BalancedPort, addresses: Iterable[str]) -> Iterator[tuple[str, int]]:
        """The addresses with what they call ``port``."""
        for name, protocol, number in self.ports:
            if number and (name, protocol) == (port.name, port.protocol):
                yield from ((ip, number) for ip in addresses)


def ingress_of(service: Object) -> tuple[str, ...]:
    """The addresses in status.loadBalancer."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return tuple(entry["ip"] for entry in ingress if entry.get("ip"))


def _port(port: dict[str, Any]) -> BalancedPort:
    return BalancedPort(
        port.get("name") or "", port.get("protocol") or "TCP", int(port["port"]), int(port.get("nodePort") or 0)
    )


def _addresses(text: str) -> tuple[str, ...]:
    found = []
    for word in text.split(","):
        try:
            found.append(str(ip_address(word.strip())))
        except ValueError:
            continue
    return tuple(found)


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for text in texts:
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            continue
    return tuple(found)


def _affinity(spec: dict[str, Any]) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(client_ip.get("timeoutSeconds") or 10_800)
