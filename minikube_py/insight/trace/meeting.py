"""Where a connection meets the cluster's proxies: at which address, on which node, and as whose client.

An address of a Service (cluster IP, external IP, a balancer's) is taken by the client's own node; a node port by the
node whose address was used; and a load balancer stands in front of all healthy nodes for clients from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.types import Object
from minikube_py.insight.trace.path import Origin, Source

_LOOPBACK = "127.0.0.1"
_IP_MODE_ANNOTATION = "minik.io/load-balancer-ip-mode"
_PROXY_PROTOCOL_ANNOTATION = "minik.io/proxy-protocol"


class Way(StrEnum):
    """By which of a Service's addresses a client comes."""

    CLUSTER_IP = "cluster-ip"
    NODE_PORT = "node-port"
    LOAD_BALANCER = "load-balancer"
    EXTERNAL_IP = "external-ip"

    @property
    def kind(self) -> str:
        """As the proxies' tables call it."""
        return {"cluster-ip": "ClusterIP", "node-port": "NodePort", "load-balancer": "LoadBalancer"}.get(
            self.value, "ExternalIP"
        )


class NoWay(LookupError):
    """The Service has no address of that kind, or the client cannot use it."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """``ip`` and ``number`` are what the client connects to; ``ip`` is "" where DNS gives it, or for the loopback.

    ``kind`` is that of the route that is met on ``nodes``: through a balancer, it is the node port behind it.
    ``inside``: the proxy takes the client for one of the cluster. ``keeps``: of a balancer, whether the client's own
    address comes as far as the node.
    """

    way: Way
    ip: str
    number: int
    kind: str
    nodes: tuple[str, ...]
    inside: bool = True
    on_host: bool = False
    balanced: bool = False
    keeps: bool = True


def meet(
    source: Source, service: Object, port: dict[str, Any], *, nodes: Sequence[Object], way: Way | None, at: str
) -> Meeting:
    """``nodes`` are the Ready ones; ``at`` names the one whose address is used, "" leaves it open. Raises NoWay."""
    chosen = way or _usual(source, service, port)
    if at and at not in map(name_of, nodes):
        raise NoWay(f"there is no Ready node {at}")
    if chosen is Way.NODE_PORT:
        return _node_port(source, port, nodes, at)
    if chosen is Way.LOAD_BALANCER:
        return _load_balancer(source, service, port, nodes)
    if chosen is Way.EXTERNAL_IP:
        return _external_ip(source, service, port, nodes, at)
    if source.origin in (Origin.HOST, Origin.OUTSIDE):
        raise NoWay("a cluster IP exists inside the cluster only")
    return Meeting(chosen, "", int(port["port"]), chosen.kind, (source.node,))


def owner_of(
    services: Iterable[Object], nodes: Sequence[Object], ip: str, number: int
) -> tuple[Object, dict[str, Any], Way, str] | None:
    """Whose address ``ip:number`` is: the Service, its port, by which way, and the node whose address it is ("")."""
    node = next((name_of(each) for each in nodes if _address(each) == ip), "")
    for service in services:
        spec = service["spec"]
        own = {Way.CLUSTER_IP: spec.get("clusterIPs") or (), Way.EXTERNAL_IP: spec.get("externalIPs") or ()}
        own[Way.LOAD_BALANCER] = [ingress_of(service)]
        for port in spec.get("ports") or ():
            if (node or ip == _LOOPBACK) and port.get("nodePort") == number:
                return service, port, Way.NODE_PORT, node
            for way, addresses in own.items():
                if port["port"] == number and ip in addresses:
                    return service, port, way, ""
    return None


def ingress_of(service: Object) -> str:
    """The first address in status.loadBalancer, or ""."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((str(entry["ip"]) for entry in ingress if entry.get("ip")), "")


def _usual(source: Source, service: Object, port: dict[str, Any]) -> Way:
    if source.origin in (Origin.POD, Origin.NODE):
        return Way.CLUSTER_IP
    if source.origin is Origin.HOST or (port.get("nodePort") and not ingress_of(service)):
        return Way.NODE_PORT
    return Way.LOAD_BALANCER if ingress_of(service) or not service["spec"].get("externalIPs") else Way.EXTERNAL_IP


def _node_port(source: Source, port: dict[str, Any], nodes: Sequence[Object], at: str) -> Meeting:
    number = port.get("nodePort")
    if not number:
        raise NoWay("the Service has no node port: make it a NodePort or a LoadBalancer")
    kind = Way.NODE_PORT.kind
    if source.origin is Origin.HOST and not at:
        return Meeting(Way.NODE_PORT, "", int(number), kind, (source.node,), on_host=True)
    node = _chosen(source, nodes, at)
    return Meeting(Way.NODE_PORT, _address(node), int(number), kind, (name_of(node),), inside=_inside(source, node))


def _external_ip(source: Source, service: Object, port: dict[str, Any], nodes: Sequence[Object], at: str) -> Meeting:
    addresses = service["spec"].get("externalIPs") or ()
    if not addresses:
        raise NoWay("the Service lists no externalIPs")
    if source.origin is Origin.HOST:
        raise NoWay("this machine has no road to an external IP: a router would send it to a node")
    node = _chosen(source, nodes, at if source.origin is Origin.OUTSIDE else "")
    kind = Way.EXTERNAL_IP.kind
    inside = source.origin is not Origin.OUTSIDE
    return Meeting(Way.EXTERNAL_IP, addresses[0], int(port["port"]), kind, (name_of(node),), inside=inside)


def _load_balancer(source: Source, service: Object, port: dict[str, Any], nodes: Sequence[Object]) -> Meeting:
    ip = ingress_of(service)
    if not ip:
        raise NoWay("the Service has no load balancer address: ask minik why service")
    notes = annotations_of(service)
    mode = "Proxy" if notes.get(_PROXY_PROTOCOL_ANNOTATION) else notes.get(_IP_MODE_ANNOTATION, "VIP")
    if source.origin in (Origin.POD, Origin.NODE) and mode == "VIP":  # short-circuited by the node (KEP-1860)
        return Meeting(Way.LOAD_BALANCER, ip, int(port["port"]), Way.LOAD_BALANCER.kind, (source.node,))
    if not port.get("nodePort"):
        raise NoWay(
            "the Service allocates no node ports: its balancer goes to the pods past the nodes, who know nothing of it"
        )
    return Meeting(
        Way.LOAD_BALANCER,
        ip,
        int(port["port"]),
        Way.NODE_PORT.kind,
        tuple(sorted(map(name_of, nodes))),
        inside=False,
        balanced=True,
        keeps=source.origin is Origin.OUTSIDE and mode == "VIP",
    )


def _chosen(source: Source, nodes: Sequence[Object], at: str) -> Object:
    """The node that was asked for, else the client's own, else the first."""
    wanted = at or (source.node if source.origin in (Origin.POD, Origin.NODE) else "")
    found = sorted((node for node in nodes if wanted in ("", name_of(node))), key=name_of)
    if not found:
        raise NoWay(f"node {wanted} is not Ready")
    return found[0]


def _inside(source: Source, node: Object) -> bool:
    """A node is at home with itself and its own pods: whoever comes by way of another node comes from outside, as
    kube-proxy has it where it knows its node's pods (``detectLocalMode: NodeCIDR``)."""
    return source.origin is not Origin.OUTSIDE and source.node == name_of(node)


def _address(node: Object) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(each["address"]) for each in addresses if each["type"] == "InternalIP"), "")
