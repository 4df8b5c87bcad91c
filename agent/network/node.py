"""Makes the agent's network namespace a node: a router for its pods, where every Service address can be bound.

Called at each start of the agent, so everything replaces what an agent before it has set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from minikube_py.linux import rtmessages as rt
from minikube_py.linux.netlink import Netlink

#: Every pod's next hop: link-local, the same in all of them, answered by the node.
GATEWAY_IPV4: Final = "169.254.1.1"
GATEWAY_IPV6: Final = "fe80::1"
#: Connections of the transparent Service proxy come back to it: mark and table, as the nft rules of the proxy set them.
TRANSPARENT_MARK: Final = 1
TRANSPARENT_TABLE: Final = 100
_RULE_PRIORITY: Final = 100
#: The host's choice is inherited; BBR over veth gave a quarter of Reno's throughput.
CONGESTION_CONTROL: Final = "reno"
_SMALLEST_MTU: Final = 1280
_USUAL_MTU: Final = 1500


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """A node's addresses: its own, its slices of the pod network, and the Services' ranges."""

    node_ips: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]

    @property
    def has_ipv6(self) -> bool:
        return any(":" in cidr for cidr in self.pod_cidrs)

    def own_ip(self, *, ipv6: bool) -> str | None:
        return next((ip for ip in self.node_ips if (":" in ip) == ipv6), None)


def prepare_node(node: NodeNetwork) -> None:
    """Sets the calling thread's network namespace up as ``node``. Blocking. Raises OSError naming what failed."""
    _set_sysctls(node)
    with Netlink() as netlink:
        netlink.link_up("lo")
        with contextlib.suppress(FileExistsError):
            netlink.addr_add("lo", f"{GATEWAY_IPV4}/32", scope=rt.RT_SCOPE_HOST)
        for cidr in node.service_cidrs:
            netlink.route_local(cidr, replace=True)
        for cidr in node.pod_cidrs:
            netlink.route_unreachable(cidr, replace=True)
        for ipv6 in (False, True) if node.has_ipv6 else (False,):
            _transparent_return(netlink, ipv6=ipv6)


def uplink_mtu(netlink: Netlink) -> int:
    """The MTU of the device that the default route uses: what fits out of the node fits into its pods' cables."""
    main = [route for route in netlink.routes() if route.table == rt.RT_TABLE_MAIN]
    default = next((route for route in main if route.dst == "0.0.0.0/0" and route.index), None)
    link = next((link for link in netlink.links() if default and link.index == default.index), None)
    return max(link.mtu, _SMALLEST_MTU) if link else _USUAL_MTU


def write_sysctl(name: str, value: str) -> None:
    """Sets a sysctl of the calling thread's network namespace. Raises OSError naming it."""
    path = "/proc/sys/" + name.replace(".", "/")
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        if _reads(path, value):
            return  # read-only in a container, whose engine has set it
        raise OSError(error.errno, f"set sysctl {name} to {value}: {error.strerror}") from error


def _reads(path: str, value: str) -> bool:
    try:
        with open(path) as file:
            return file.read().strip() == value
    except OSError:
        return False


def _set_sysctls(node: NodeNetwork) -> None:
    write_sysctl("net.ipv4.ip_forward", "1")
    optional = {
        "net.ipv4.conf.all.rp_filter": "0",  # replies to transparent connections leave by another way than they came
        "net.ipv4.conf.default.rp_filter": "0",
        "net.ipv4.tcp_congestion_control": CONGESTION_CONTROL,
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ip_local_port_range": "32768 60999",
        "net.ipv4.icmp_ratemask": "0",  # refusals are not limited, or the seventh client in a row would wait
    }
    if node.has_ipv6:
        write_sysctl("net.ipv6.conf.all.forwarding", "1")
        write_sysctl("net.ipv6.ip_nonlocal_bind", "1")  # unlike IPv4's, its local routes do not let addresses be bound
        optional |= {"net.ipv6.icmp.ratemask": "127"}
        optional |= {"net.ipv6.conf.all.accept_dad": "0", "net.ipv6.conf.default.accept_dad": "0"}
    for name, value in optional.items():
        with contextlib.suppress(OSError):
            write_sysctl(name, value)


def _transparent_return(netlink: Netlink, *, ipv6: bool) -> None:
    with contextlib.suppress(FileExistsError):
        netlink.rule_add(fwmark=TRANSPARENT_MARK, table=TRANSPARENT_TABLE, priority=_RULE_PRIORITY, ipv6=ipv6)
    netlink.route_local("::/0" if ipv6 else "0.0.0.0/0", table=TRANSPARENT_TABLE, replace=True)


def families(ips: Sequence[str]) -> list[tuple[str, bool]]:
    """Each address with whether it is IPv6."""
    return [(ip, ":" in ip) for ip in ips]
