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
from collections.abc import Iterable
from dataclasses import dataclass, field

from minikube_py.linux.namespaces import in_netns, new_netns
from minikube_py.linux.netlink import Netlink

#: A router address for every link: no subnet is spent on point-to-point cables. (169.254.1.1 is the pods' gateway.)
GATEWAY = "169.254.0.1"
_NODE_DEVICE = "eth0"
#: Namespaces inherit the host's algorithm; BBR over veth was measured at a quarter of Reno's rate, and Reno is the one
#: that every kernel has and lets anybody choose.
_CONGESTION_CONTROL = "reno"


@dataclass(frozen=True, slots=True)
class Cable:
    """How one node hangs on the fabric."""

    node: str
    device: str
    ip: str
    pod_cidrs: tuple[str, ...]


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


def build_network(fabric_ip: str, cables: Iterable[Cable]) -> ClusterNetwork:
    """Makes the fabric and a connected namespace for every cable's node. Raises OSError."""
    network = ClusterNetwork(new_netns())
    try:
        in_netns(network.fabric, _become_router)
        with Netlink(network.fabric) as fabric:
            fabric.link_up("lo")
            fabric.addr_add("lo", f"{fabric_ip}/32")
            for cable in cables:
                _connect(network, fabric, cable)
    except BaseException:
        network.close()
        raise
    return network


def _connect(network: ClusterNetwork, fabric: Netlink, cable: Cable) -> None:
    node_fd = network.nodes[cable.node] = new_netns()
    network.cables[cable.node] = cable
    in_netns(node_fd, _become_router)
    fabric.link_add_veth(cable.device, _NODE_DEVICE, node_fd)
    fabric.addr_add(cable.device, f"{GATEWAY}/32")
    with Netlink(node_fd) as node:
        node.link_up("lo")
        node.link_up(_NODE_DEVICE)
        node.addr_add(_NODE_DEVICE, f"{cable.ip}/32")
        node.route_add(f"{GATEWAY}/32", dev=_NODE_DEVICE)
        node.route_add("default", via=GATEWAY, dev=_NODE_DEVICE)
    _route_to(fabric, cable)


def _route_to(fabric: Netlink, cable: Cable) -> None:
    fabric.route_add(f"{cable.ip}/32", dev=cable.device, replace=True)
    for cidr in cable.pod_cidrs:
        fabric.route_add(cidr, dev=cable.device, via=cable.ip, onlink=True, replace=True)


def _become_router() -> None:
    """Runs inside the namespace."""
    _write_sysctl("net/ipv4/ip_forward", "1")
    _write_sysctl("net/ipv4/tcp_congestion_control", _CONGESTION_CONTROL)


def _write_sysctl(name: str, value: str) -> None:
    with open(f"/proc/sys/{name}", "w") as file:
        file.write(value)


def listen_in(netns: int, address: str, port: int) -> socket.socket:
    """A listening socket inside the namespace. Raises OSError."""
    return in_netns(netns, lambda: socket.create_server((address, port), backlog=1024))
