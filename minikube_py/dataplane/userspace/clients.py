"""Who a client is to the cluster: a pod, the node itself, or somebody from outside."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address, ip_network

from minikube_py.dataplane.model import Backends, KeepSource, Route


class Origin(StrEnum):
    """Where a connection comes from."""

    POD = "pod"
    NODE = "node"
    OUTSIDE = "outside"


class Clients:
    """Tells origins apart by address. ``node_addresses`` may hold networks: all of the node's own addresses.

    ``local_pod_cidrs`` are this node's slices of ``pod_cidrs``; by default all pods are its own.
    """

    def __init__(
        self,
        *,
        pod_cidrs: Iterable[str],
        node_addresses: Iterable[str],
        local_pod_cidrs: Iterable[str] | None = None,
    ) -> None:
        self.pod_cidrs = tuple(pod_cidrs)
        self.local_pod_cidrs = self.pod_cidrs if local_pod_cidrs is None else tuple(local_pod_cidrs)
        self.node_addresses = tuple(node_addresses)
        pods = [ip_network(each) for each in self.pod_cidrs]
        local = [ip_network(each) for each in self.local_pod_cidrs]
        own = [ip_network(each) for each in self.node_addresses]

        @lru_cache(maxsize=65_536)
        def origin_of(ip: str) -> Origin:
            address = ip_address(ip)
            if any(address in network for network in own):
                return Origin.NODE
            return Origin.POD if any(address in network for network in pods) else Origin.OUTSIDE

        @lru_cache(maxsize=65_536)
        def is_local_pod(ip: str) -> bool:
            return any(ip_address(ip) in network for network in local)

        self.origin_of = origin_of
        self._is_local_pod = is_local_pod

    def backends(self, route: Route, ip: str) -> Backends:
        """What ``route`` has for a client."""
        if route.inside is route.outside:
            return route.inside
        return route.inside if ip == route.frontend.ip or self._is_inside(ip) else route.outside

    def _is_inside(self, ip: str) -> bool:
        """The node itself and its own pods; a pod that comes from another node comes from outside, as kube-proxy has it
        where it knows its node's pods (``detectLocalMode: NodeCIDR``)."""
        origin = self.origin_of(ip)
        return origin is Origin.NODE or (origin is Origin.POD and self._is_local_pod(ip))

    def keeps_source(self, route: Route, client_ip: str, endpoint_ip: str) -> bool:
        """Whether the endpoint is to see the client's own address.

        Never for a pod that reaches itself (hairpin), and never where the endpoint is on this node's own network: its
        answer, made here, would leave for the client without passing the rules that bring it back to the relay. Nor
        between two places elsewhere, one of them a pod: the answer would go straight to the client, not come by here.
        """
        if route.keep_source is KeepSource.NEVER or client_ip in (endpoint_ip, route.frontend.ip):
            return False
        if self.origin_of(endpoint_ip) is Origin.NODE:
            return False
        origin = self.origin_of(client_ip)
        if origin is Origin.POD:
            return self._is_local_pod(client_ip) or self._is_local_pod(endpoint_ip)
        return origin is Origin.OUTSIDE and route.keep_source is KeepSource.ALL
