"""From a load balancer, its addresses and the healthy nodes to routes that a data plane carries out. Pure.

A Service may allocate no node ports (``allocateLoadBalancerNodePorts: false``): then the balancer goes to its pods,
which the fabric can reach as it can the nodes, and the pods see the balancer's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from minikube_py.cloud.views import BalancedPort, LoadBalancer, PodSlice, TargetNode
from minikube_py.dataplane.model import (
    Backends,
    Endpoint,
    Frontend,
    KeepSource,
    Kind,
    PortKey,
    Route,
    Scope,
    Verdict,
    family_of,
)

#: An ordinary user may not bind the host's lower ports; they are published this much higher.
LOWER_PORTS = 1024
_LIFT = 8000


def loopback_of(ip: str) -> str:
    """Where a balancer's address is published on the machine: 192.168.231.7 is 127.0.231.7, so ports never clash."""
    return "127.0." + ".".join(ip.split(".")[2:])


def published_port(port: int, *, privileged: bool) -> int:
    """The port on the machine's loopback."""
    return port if privileged or port >= LOWER_PORTS else port + _LIFT


def routes_of(
    balancer: LoadBalancer,
    addresses: Iterable[str],
    nodes: Iterable[TargetNode],
    slices: Iterable[PodSlice],
    *,
    publish: bool,
    privileged: bool,
) -> dict[Frontend, Route]:
    """The front ends of a balancer over nodes that are healthy; ports without a node port lead to the pods."""
    routes: dict[Frontend, Route] = {}
    nodes, slices = list(nodes), list(slices)
    for ip in addresses:
        family = family_of(ip)
        ranges = tuple(each for each in balancer.source_ranges if family_of(each.partition("/")[0]) == family)
        for port in balancer.ports:
            places = _on_nodes(port, family, nodes) if port.node_port else _in_pods(port, family, slices)
            backends = Backends(Verdict.FORWARD if places else Verdict.REJECT, places)
            for frontend in _frontends(ip, port, publish=publish, privileged=privileged):
                routes[frontend] = _route(balancer, port, frontend, backends, ranges)
    return routes


def published(balancer: LoadBalancer, addresses: Iterable[str], *, privileged: bool) -> str:
    """The text of the annotation: ``80/TCP=127.0.231.1:8080``, one entry per port."""
    return ",".join(
        f"{port.port}/{port.protocol}={loopback_of(ip)}:{published_port(port.port, privileged=privileged)}"
        for ip in addresses
        if ip_address(ip).version == 4
        for port in balancer.ports
        if port.protocol != "SCTP"
    )


def _frontends(ip: str, port: BalancedPort, *, publish: bool, privileged: bool) -> Iterator[Frontend]:
    yield Frontend(Scope.NODE, ip, port.port, port.protocol)
    if publish and family_of(ip) == "IPv4" and port.protocol != "SCTP":
        number = published_port(port.port, privileged=privileged)
        yield Frontend(Scope.HOST, loopback_of(ip), number, port.protocol)


def _on_nodes(port: BalancedPort, family: str, nodes: list[TargetNode]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(ip, port.node_port, node=node.name)
        for node in sorted(nodes, key=lambda each: each.name)
        for ip in node.addresses[:2]
        if family_of(ip) == family
    )


def _in_pods(port: BalancedPort, family: str, slices: list[PodSlice]) -> tuple[Endpoint, ...]:
    """The ready ones, else those that serve to their end."""
    pieces = [piece for piece in slices if piece.family == family]
    ready = {place for piece in pieces for place in piece.places(port, piece.ready)}
    ending = {place for piece in pieces for place in piece.places(port, piece.ending)}
    return tuple(Endpoint(ip, number) for ip, number in sorted(ready or ending))


def _route(
    balancer: LoadBalancer, port: BalancedPort, frontend: Frontend, backends: Backends, ranges: tuple[str, ...]
) -> Route:
    host = frontend.scope is Scope.HOST
    return Route(
        frontend=frontend,
        kind=Kind.LOAD_BALANCER,
        port=PortKey(balancer.key, port.name, port.protocol),
        inside=backends,
        outside=backends,
        keep_source=KeepSource.NEVER if host or balancer.ip_mode == "Proxy" else KeepSource.ALL,
        affinity_seconds=balancer.affinity_seconds,
        source_ranges=() if host else ranges,
        proxy_protocol=balancer.proxy_protocol,
    )
