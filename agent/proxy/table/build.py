"""From one Service and its slices to its routes: a pure function, so that rebuilding is the same as never changing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agent.proxy.table.eligible import Selection, for_cluster, for_local, gather
from agent.proxy.table.views import Node, Service, ServicePort, Slice
from minikube_py.dataplane.model import (
    Backends,
    Exclusion,
    Frontend,
    KeepSource,
    Kind,
    PortKey,
    Route,
    Scope,
    Verdict,
    family_of,
)


class _Choice(NamedTuple):
    """What each policy gives for one port and family. ``local`` is worked out only for those who use it."""

    cluster: Backends
    local: Backends


def routes_of(service: Service, slices: Sequence[Slice], *, node: Node) -> dict[Frontend, Route]:
    """Every front end that ``service`` has on ``node``."""
    routes: dict[Frontend, Route] = {}
    for family in dict.fromkeys(family_of(ip) for ip in service.cluster_ips):
        for port in service.ports:
            choice = _choose(slices, service=service, port=port, family=family, node=node)
            for route in _routes_of_port(service, port, family, node, choice):
                routes.setdefault(route.frontend, route)
    return routes


def local_ready_endpoints(service: Service, slices: Sequence[Slice], *, node: Node) -> int:
    """How many addresses of this node a health check node port reports (distinct addresses, ready only)."""
    families = dict.fromkeys(family_of(ip) for ip in service.cluster_ips)
    found = {
        endpoint.ip
        for family in families
        for port in service.ports
        for endpoint in gather(slices, port=port, family=family, node=node.name)[0]
        if endpoint.local and endpoint.ready
    }
    return len(found)


def _choose(slices: Sequence[Slice], *, service: Service, port: ServicePort, family: str, node: Node) -> _Choice:
    endpoints, impossible = gather(slices, port=port, family=family, node=node.name)
    cluster = _backends(for_cluster(endpoints, node=node), impossible, otherwise=Verdict.REJECT)
    if not (service.internal_local or service.external_local):
        return _Choice(cluster, cluster)
    anywhere = any(endpoint.ready or endpoint.fallback for endpoint in endpoints)
    none_here = Verdict.DROP if anywhere else Verdict.REJECT
    return _Choice(cluster, _backends(for_local(endpoints), impossible, otherwise=none_here))


def _backends(selection: Selection, impossible: Iterable[Exclusion], *, otherwise: Verdict) -> Backends:
    verdict = Verdict.FORWARD if selection.endpoints else otherwise
    return Backends(verdict, selection.endpoints, selection.excluded + tuple(impossible))


def _routes_of_port(service: Service, port: ServicePort, family: str, node: Node, choice: _Choice) -> Iterator[Route]:
    key = PortKey(service.key, port.name, port.protocol)
    outside = choice.local if service.external_local else choice.cluster
    keep = KeepSource.ALL if service.external_local else KeepSource.NEVER
    internal = choice.local if service.internal_local else choice.cluster
    for ip in _of_family(service.cluster_ips, family):
        at = Frontend(Scope.NODE, ip, port.port, port.protocol)
        yield Route(at, Kind.CLUSTER_IP, key, internal, internal, KeepSource.PODS, service.affinity_seconds)
    for kind, at in _external_frontends(service, port, family, node):
        ranges = _of_family(service.source_ranges, family) if kind is Kind.LOAD_BALANCER else ()
        if at.scope is Scope.HOST:  # the machine is to the cluster what a node is to itself
            yield Route(at, kind, key, choice.cluster, choice.cluster, KeepSource.NEVER, service.affinity_seconds)
        else:
            yield Route(at, kind, key, choice.cluster, outside, keep, service.affinity_seconds, ranges)


def _external_frontends(
    service: Service, port: ServicePort, family: str, node: Node
) -> Iterator[tuple[Kind, Frontend]]:
    for ip in _of_family(service.external_ips, family):
        yield Kind.EXTERNAL_IP, Frontend(Scope.NODE, ip, port.port, port.protocol)
    for ip in _of_family(service.load_balancer_ips, family):
        yield Kind.LOAD_BALANCER, Frontend(Scope.NODE, ip, port.port, port.protocol)
    if port.node_port:
        for ip in _of_family(node.addresses, family):
            yield Kind.NODE_PORT, Frontend(Scope.NODE, ip, port.node_port, port.protocol)
        for ip in _of_family(node.host_addresses, family):
            yield Kind.NODE_PORT, Frontend(Scope.HOST, ip, port.node_port, port.protocol)


def _of_family(addresses: Iterable[str], family: str) -> tuple[str, ...]:
    return tuple(each for each in addresses if family_of(each) == family)
