"""Root's cable from the host into the cluster: ClusterIPs, load balancers, pods and nodes answer from the host itself.

The routes hang on a veth whose other end is in the fabric. When the cluster is gone, however it went, the kernel
removes the veth and with it every route: nothing is left on the host. An ordinary user cannot have this cable;
published ports on the loopback do the same for them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from minikube_py.cluster.network import GATEWAY, ClusterNetwork
from minikube_py.linux.netlink import Netlink

_FABRIC_DEVICE = "host"
_LONGEST_DEVICE_NAME = 15


@dataclass(frozen=True, slots=True)
class HostLink:
    """What is reachable from the host, and what is not because the host already routes it elsewhere."""

    device: str
    reachable: tuple[str, ...]
    hidden: tuple[str, ...]


def connect_host(network: ClusterNetwork, *, cluster: str, host_ip: str, ranges: Sequence[str]) -> HostLink:
    """Lays the cable and routes every range that the host does not use itself. Raises OSError."""
    device = f"minik-{cluster}"[:_LONGEST_DEVICE_NAME]
    with Netlink() as host, Netlink(network.fabric) as fabric:
        taken = [route.dst for route in host.routes() if route.dst]
        reachable = [cidr for cidr in ranges if not overlapping(cidr, taken)]
        host.link_add_veth(device, _FABRIC_DEVICE, network.fabric)
        host.addr_add(device, f"{host_ip}/32")
        fabric.link_up(_FABRIC_DEVICE)
        fabric.addr_add(_FABRIC_DEVICE, f"{GATEWAY}/32")
        fabric.route_add(f"{host_ip}/32", dev=_FABRIC_DEVICE)
        for cidr in reachable:
            host.route_add(cidr, dev=device, via=GATEWAY, onlink=True, src=host_ip)
    return HostLink(device, tuple(reachable), tuple(cidr for cidr in ranges if cidr not in reachable))


def route_services(network: ClusterNetwork, service_cidrs: Iterable[str], node: str) -> None:
    """Sends the fabric's ClusterIP traffic to one node, whose proxy answers for every Service. Raises OSError."""
    cable = network.cables[node]
    with Netlink(network.fabric) as fabric:
        for cidr in service_cidrs:
            if ":" not in cidr:
                fabric.route_add(cidr, dev=cable.device, via=cable.ip, onlink=True, replace=True)


def overlapping(cidr: str, taken: Iterable[str]) -> bool:
    """Whether the host has a route of its own into ``cidr``; its default route does not count."""
    network = ipaddress.ip_network(cidr)
    for text in taken:
        other = ipaddress.ip_network(text, strict=False)
        if other.prefixlen and other.version == network.version and other.overlaps(network):
            return True
    return False
