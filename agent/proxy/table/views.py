"""What the routing table reads of Services, EndpointSlices and the Node: narrow, frozen, made once per watch event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from minikube_py.api.meta import key_of, labels_of, metadata, name_of
from minikube_py.api.types import Object, ObjectKey

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
ZONE_LABEL = "topology.kubernetes.io/zone"
DEFAULT_AFFINITY_SECONDS = 10_800


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One entry of spec.ports."""

    name: str
    protocol: str
    port: int
    node_port: int

    @classmethod
    def from_object(cls, port: dict[str, Any]) -> ServicePort:
        """Reads a ServicePort; absent fields get the API's defaults."""
        return cls(
            name=port.get("name") or "",
            protocol=port.get("protocol") or "TCP",
            port=int(port["port"]),
            node_port=int(port.get("nodePort") or 0),
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A Service that has addresses of its own: neither headless nor ExternalName."""

    key: ObjectKey
    created: str
    cluster_ips: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    source_ranges: tuple[str, ...]
    affinity_seconds: int
    internal_local: bool
    external_local: bool
    health_check_node_port: int

    @classmethod
    def from_object(cls, obj: Object) -> Service | None:
        """The view, or None for a Service that no proxy serves, as kube-proxy decides it."""
        spec = obj.get("spec") or {}
        cluster_ips = _cluster_ips(spec)
        if spec.get("type") == "ExternalName" or not cluster_ips or not is_ours(obj):
            return None
        external_ips = _addresses(spec.get("externalIPs") or ())
        external_local = _is_external(spec, external_ips) and spec.get("externalTrafficPolicy") == "Local"
        needs_health_check = external_local and spec.get("type") == "LoadBalancer"
        return cls(
            key=key_of(obj),
            created=str(metadata(obj).get("creationTimestamp") or ""),
            cluster_ips=cluster_ips,
            ports=tuple(ServicePort.from_object(port) for port in spec.get("ports") or ()),
            external_ips=external_ips,
            load_balancer_ips=_load_balancer_ips(obj),
            source_ranges=_networks(spec.get("loadBalancerSourceRanges") or ()),
            affinity_seconds=_affinity_seconds(spec),
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=external_local,
            health_check_node_port=int(spec.get("healthCheckNodePort") or 0) if needs_health_check else 0,
        )


def is_ours(obj: Object) -> bool:
    """Whether this proxy serves the Service or slice, rather than a proxy that its label names, or none."""
    labels = labels_of(obj)
    return PROXY_NAME_LABEL not in labels and HEADLESS_LABEL not in labels


def _cluster_ips(spec: dict[str, Any]) -> tuple[str, ...]:
    given = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return _addresses(ip for ip in given if ip != "None")


def _is_external(spec: dict[str, Any], external_ips: tuple[str, ...]) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer") or bool(external_ips)


def _addresses(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ip for text in given if (ip := _canonical(text))))


def _networks(given: Iterable[str]) -> tuple[str, ...]:
    """Validation lets white space around a range pass, so it is taken off here."""
    found = []
    for text in given:
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def _load_balancer_ips(obj: Object) -> tuple[str, ...]:
    """Ingress addresses that nodes short-circuit; ``ipMode: Proxy`` asks that traffic goes to the balancer itself."""
    if (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return ()
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return _addresses(entry["ip"] for entry in ingress if entry.get("ip") and entry.get("ipMode", "VIP") == "VIP")


def _affinity_seconds(spec: dict[str, Any]) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(client_ip.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS)


class SliceEndpoint(NamedTuple):
    """One entry of an EndpointSlice's endpoints, before it is paired with a port."""

    ip: str
    ready: bool
    serving: bool
    terminating: bool
    node: str
    zone: str
    zone_hints: frozenset[str]
    node_hints: frozenset[str]
    target: str

    @classmethod
    def from_object(cls, endpoint: dict[str, Any]) -> SliceEndpoint:
        """Reads an endpoint. Only its first address counts (API documentation of EndpointSlice)."""
        conditions, hints = endpoint.get("conditions") or {}, endpoint.get("hints") or {}
        addresses, ref = endpoint.get("addresses") or (), endpoint.get("targetRef") or {}
        return cls(
            ip=_canonical(addresses[0]) if addresses else "",
            ready=conditions.get("ready") is not False,
            serving=conditions.get("serving") is not False,
            terminating=bool(conditions.get("terminating")),
            node=endpoint.get("nodeName") or "",
            zone=endpoint.get("zone") or "",
            zone_hints=frozenset(hint["name"] for hint in hints.get("forZones") or ()),
            node_hints=frozenset(hint["name"] for hint in hints.get("forNodes") or ()),
            target=f"{ref.get('kind', '')}/{ref['name']}" if ref.get("name") else "",
        )


@lru_cache(maxsize=65_536)
def _canonical(text: str) -> str:
    """The address as Python writes it, "" where it is none (a host name in an FQDN slice, say)."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Slice:
    """An EndpointSlice. ``ports`` holds (name, protocol, number); a number of 0 stands for an absent one."""

    name: str
    service: ObjectKey
    family: str
    ports: tuple[tuple[str, str, int], ...]
    endpoints: tuple[SliceEndpoint, ...]

    @classmethod
    def from_object(cls, obj: Object) -> Slice | None:
        """The view, or None for a slice that belongs to no Service of ours."""
        service = labels_of(obj).get(SERVICE_NAME_LABEL)
        if not service or not is_ours(obj):
            return None
        ports = obj.get("ports") or ()
        return cls(
            name=name_of(obj),
            service=ObjectKey(key_of(obj).namespace, service),
            family=obj.get("addressType") or "IPv4",
            ports=tuple((p.get("name") or "", p.get("protocol") or "TCP", int(p.get("port") or 0)) for p in ports),
            endpoints=tuple(SliceEndpoint.from_object(entry) for entry in obj.get("endpoints") or ()),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """This node as seen from its Services. ``addresses`` are those on which node ports are served."""

    name: str
    addresses: tuple[str, ...]
    zone: str = ""
    host_addresses: tuple[str, ...] = ()

    def with_labels(self, labels: dict[str, str]) -> Node:
        """The same node after its labels were read."""
        return Node(self.name, self.addresses, labels.get(ZONE_LABEL, ""), self.host_addresses)
