"""The cluster's network namespaces: the fabric between the nodes, and one namespace per node.

Everything is routed. The fabric is a router (and the API server's home): a veth to each node, a /32 route to the node's
address and a route to its pods. A node has a single default route. Only descriptors hold these namespaces: when the
supervisor and its children are gone, so are they.

``unplug`` takes down the *fabric's* end of a node's cable: the node keeps its routes and comes back by itself when the
cable is plugged in again (taking down the node's own end would flush its routes for good).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from minikube_py.linux.namespaces import in_netns, new_netns
from minikube_py.linux.netlink import Netlink

#: A router address for every link: no subnet is spent on point-to-point cables. (169.254.1.1 is the pods' gateway.)
GATEWAY = "169.254.0.1"
GATEWAY_IPV6 = "fe80::1"
_NODE_DEVICE = "eth0"
#: Namespaces inherit the host's algorithm; BBR over veth was measured at a quarter of Reno's rate, and Reno is the one
#: that every kernel has and lets anybody choose.
_CONGESTION_CONTROL = "reno"


@dataclass(frozen=True, slots=True)
class Cable:
    """How one node hangs on the fabric."""

    node: str
    device: str
    ips: tuple[str, ...]
    pod_cidrs: tuple[str, ...]

    def way_to(self, cidr: str) -> str:
        """The node's address in the family of ``cidr``. Raises StopIteration where it has none."""
        return next(ip for ip in self.ips if (":" in ip) == (":" in cidr))


@dataclass(slots=True)
class ClusterNetwork:
    """The descriptors of the cluster's namespaces."""

    fabric: int
    nodes: dict[str, int] = field(default_factory=dict)
    cables: dict[str, Cable] = field(default_factory=dict)

    def close(self) -> None:
        for descriptor in (self.fabric, *self.nodes.values()):
            os.close(descriptor)
        self.nodes.clear()

    def unplug(self, node: str) -> None:
        """Cut the node off. Raises OSError."""
        with Netlink(self.fabric) as fabric:
            fabric.link_down(self.cables[node].device)

    def plug(self, node: str) -> None:
        """Connect the node again. Raises OSError."""
        with Netlink(self.fabric) as fabric:
            fabric.link_up(self.cables[node].device)
            _route_to(fabric, self.cables[node])


def build_network(fabric_ips: Sequence[str], cables: Iterable[Cable]) -> ClusterNetwork:
    """Makes the fabric and a connected namespace for every cable's node. Raises OSError."""
    network = ClusterNetwork(new_netns())
    try:
        ipv6 = any(":" in ip for ip in fabric_ips)
        in_netns(network.fabric, lambda: become_router(ipv6=ipv6))
        with Netlink(network.fabric) as fabric:
            fabric.link_up("lo")
            for ip in fabric_ips:
                fabric.addr_add("lo", host_cidr(ip))
            for cable in cables:
                _connect(network, fabric, cable)
    except BaseException:
        network.close()
        raise
    return network


def _connect(network: ClusterNetwork, fabric: Netlink, cable: Cable) -> None:
    node_fd = network.nodes[cable.node] = new_netns()
    network.cables[cable.node] = cable
    in_netns(node_fd, lambda: become_router(ipv6=any(":" in ip for ip in cable.ips)))
    fabric.link_add_veth(cable.device, _NODE_DEVICE, node_fd)
    with Netlink(node_fd) as node:
        node.link_up("lo")
        node.link_up(_NODE_DEVICE)
        for ip in cable.ips:
            fabric.addr_add(cable.device, gateway_cidr(ip))
            node.addr_add(_NODE_DEVICE, host_cidr(ip))
            node.route_add("default", via=gateway_for(ip), dev=_NODE_DEVICE, onlink=True)
    _route_to(fabric, cable)


def _route_to(fabric: Netlink, cable: Cable) -> None:
    for ip in cable.ips:
        fabric.route_add(host_cidr(ip), dev=cable.device, replace=True)
    for cidr in cable.pod_cidrs:
        fabric.route_add(cidr, dev=cable.device, via=cable.way_to(cidr), onlink=True, replace=True)


def host_cidr(ip: str) -> str:
    """The network that is only this address."""
    return f"{ip}/{128 if ':' in ip else 32}"


def gateway_for(ip: str) -> str:
    """The next hop on a cable, in the family of ``ip``."""
    return GATEWAY_IPV6 if ":" in ip else GATEWAY


def gateway_cidr(ip: str) -> str:
    """What the router's end of a cable is given. A link-local address of IPv6 needs its whole network."""
    return f"{GATEWAY_IPV6}/64" if ":" in ip else f"{GATEWAY}/32"


def become_router(*, ipv6: bool) -> None:
    """Makes the calling thread's network namespace one. Raises OSError naming the setting."""
    _write_sysctl("net/ipv4/ip_forward", "1")
    _write_sysctl("net/ipv4/icmp_ratemask", "0")  # refusals are not limited, or the seventh in a row would be missed
    _write_sysctl("net/ipv4/tcp_congestion_control", _CONGESTION_CONTROL)
    if ipv6:
        _write_sysctl("net/ipv6/conf/all/forwarding", "1")
        for which in ("all", "default"):  # an address that is still being probed for duplicates cannot be used
            _write_sysctl(f"net/ipv6/conf/{which}/accept_dad", "0")


def _write_sysctl(name: str, value: str) -> None:
    with open(f"/proc/sys/{name}", "w") as file:
        file.write(value)


def listen_in(netns: int, address: str, port: int) -> socket.socket:
    """A listening socket inside the namespace. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return in_netns(netns, lambda: socket.create_server((address, port), family=family, backlog=1024))
