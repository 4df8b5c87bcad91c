"""What a userspace plane of a killed agent left in the network namespace, when the next agent uses another plane."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.dataplane.userspace import capture, refusals, transparent
from minikube_py.linux.netlink import Netlink


def clear(node_ips: Iterable[str]) -> None:
    """Takes away every table, rule and route of a userspace plane that runs no more. Raises OSError."""
    addresses = tuple(node_ips)
    transparent.disable(addresses)
    with Netlink() as netlink:
        for ip in addresses:
            capture.drop_rules(netlink, ipv6=":" in ip)
    with closing(Netfilter()) as netfilter:
        refusals.drop_tables(netfilter)
