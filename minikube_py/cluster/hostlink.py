"""Root's cable from the host into the cluster: ClusterIPs, load balancers, pods and nodes answer from the host itself.

The routes hang on a veth whose other end is in the fabric. When the cluster is gone, however it went, the kernel
removes the veth and with it every route: nothing is left on the host. An ordinary user cannot have this cable;
published ports on the loopback do the same for them.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from minikube_py.cluster.network import ClusterNetwork, gateway_cidr, gateway_for, host_cidr
from minikube_py.cluster.plan import ClusterPlan
from minikube_py.linux.netlink import Netlink

FABRIC_DEVICE = "host"
_LONGEST_DEVICE_NAME = 15


@dataclass(frozen=True, slots=True)
class HostLink:
    """What is reachable from the host, and what is not because the host already routes it elsewhere."""

    device: str
    reachable: tuple[str, ...]
    hidden: tuple[str, ...]


def connect_host(network: ClusterNetwork, plan: ClusterPlan) -> HostLink:
    """Lays the cable and routes every range that the host does not use itself. Raises OSError."""
    host_ips, ranges = plan.host_ips, plan.config.ranges
    with Netlink() as host, Netlink(network.fabric) as fabric:
        device = device_of(plan.name, plan.paths.label, {link.name for link in host.links()})
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


def device_of(cluster: str, label: str, taken: Iterable[str]) -> str:
    """The host's end of the cable, by the cluster's name; where that is too long or taken, by its ``label``."""
    device = f"minik-{cluster}"
    fits = len(device) <= _LONGEST_DEVICE_NAME and device not in taken
    return device if fits else f"minik-{zlib.crc32(label.encode()):08x}"


def disconnect_host(link: HostLink) -> None:
    """Takes the cable away at once: the kernel would do it too, but only some time after the cluster's end."""
    with Netlink() as host, suppress(OSError):
        host.link_del(link.device)


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
