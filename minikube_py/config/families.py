"""The addresses of a cluster by its IP families, called as kind calls them: ipv4, ipv6, dual (IPv4 first).

Unless a person says otherwise. Clusters of one machine are told apart by a number: 0 has kubeadm's usual ranges, the
others have ranges of their own beside them, so that the host can reach all of them and their balancers' addresses on
the loopback differ. The IPv6 ranges are unique local addresses (RFC 4193), a /64 of pods for each node.
"""

from __future__ import annotations

from typing import Final, Literal

from minikube_py.config.parts import Network

IPFamily = Literal["ipv4", "ipv6", "dual"]

#: So many clusters have ranges of their own. Services stay within 10.96.0.0/12, kubeadm's range.
DISTINCT_CLUSTERS: Final = 16


def node_network_of(number: int = 0) -> str:
    """The IPv4 addresses of the nodes and of the API server."""
    return f"192.168.{230 - 2 * number}.0/24"


def node_network_ipv6_of(number: int = 0) -> str:
    """The same in IPv6."""
    return f"fd00:{10 + number}:230::/64"


def network_of(family: IPFamily, number: int = 0) -> Network:
    """The usual ranges of a cluster of these families. ``number`` is below DISTINCT_CLUSTERS."""
    if family == "ipv4":
        return _ipv4(number)
    if family == "ipv6":
        return _ipv6(number)
    one, other = _ipv4(number), _ipv6(number)
    return Network(
        service_cidrs=one.service_cidrs + other.service_cidrs,
        pod_cidrs=one.pod_cidrs + other.pod_cidrs,
        load_balancer_cidrs=one.load_balancer_cidrs + other.load_balancer_cidrs,
        dns_ips=one.dns_ips + other.dns_ips,
    )


def _ipv4(number: int) -> Network:
    return Network(
        service_cidrs=(f"10.{96 + number}.0.0/16",),
        pod_cidrs=(f"10.{244 - number}.0.0/16",),
        load_balancer_cidrs=(f"192.168.{231 - 2 * number}.0/24",),
        dns_ips=(f"10.{96 + number}.0.10",),
    )


def _ipv6(number: int) -> Network:
    group = f"fd00:{10 + number}"
    return Network(
        service_cidrs=(f"{group}:96::/112",),
        pod_cidrs=(f"{group}:244::/48",),
        load_balancer_cidrs=(f"{group}:231::/112",),
        dns_ips=(f"{group}:96::a",),
    )
