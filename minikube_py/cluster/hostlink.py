"""Root's cable from the host into the cluster: ClusterIPs, load balancers, pods and nodes answer from the host itself.

The routes hang on a veth whose other end is in the fabric. When the cluster is gone, however it went, the kernel
removes the veth and with it every route: nothing is left on the host. An ordinary user cannot have this cable;
published ports on the loopback do the same for them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from minikube_py.cluster.network import ClusterNetwork, gateway_cidr, gateway_for, host_cidr
from minikube_py.linux.netlink import Netlink

FABRIC_DEVICE = "host"
_LONGEST_DEVICE_NAME = 15


@dataclass(frozen=True, slots=True)
class HostLink:
    """What is reachable from the host, and what is not because the host already routes it elsewhere."""

    device: str
    reachable: tuple[str, ...]
    hidden: tuple[str, ...]


def connect_host(network: ClusterNetwork, *, cluster: str, host_ips: Sequence[str], ranges: Sequence[str]) -> HostLink:
    """Lays the cable and routes every range that the host does not use itself. Raises OSError."""
    device = f"minik-{cluster}"[:_LONGEST_DEVICE_NAME]
    with Netlink() as host, Netlink(network.fabric) as fabric:
        ipv6 = any(":" in ip for ip in host_ips)
        taken = [route.dst for six in (False, ipv6) for route in host.routes(ipv6=six) if route.dst]
        reachable = [cidr for cidr in ranges if not overlapping(cidr, taken)]
        host.link_add_veth(device, FABRIC_DEVICE, network.fabric)
        fabric.link_up(FABRIC_DEVICE)
        for ip in host_ips:
            host.addr_add(device, host_cidr(ip))
            fabric.addr_add(FABRIC_DEVICE, gateway_cidr(ip))
            fabric.route_add(host_cidr(ip), dev=FABRIC_DEVICE)
        for cidr in reachable:
            own = next(ip for ip in host_ips if (":" in ip) == (":" in cidr))
            host.route_add(cidr, dev=device, via=gateway_for(own), onlink=True, src=own)
    return HostLink(device, tuple(reachable), tuple(cidr for cidr in ranges if cidr not in reachable))


def route_services(network: ClusterNetwork, service_cidrs: Iterable[str], node: str) -> None:
    """Sends the fabric's ClusterIP traffic to one node, whose proxy answers for every Service. Raises OSError."""
    cable = network.cables[node]
    with Netlink(network.fabric) as fabric:
        for cidr in service_cidrs:
            fabric.route_add(cidr, dev=cable.device, via=cable.way_to(cidr), onlink=True, replace=True)


def overlapping(cidr: str, taken: Iterable[str]) -> bool:
    """Whether the host has a route of its own into ``cidr``; its default route does not count."""
    network = ipaddress.ip_network(cidr)
    for text in taken:
        other = ipaddress.ip_network(text, strict=False)
        if other.prefixlen and other.version == network.version and other.overlaps(network):
            return True
    return False
