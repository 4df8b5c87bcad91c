"""The addresses of a cluster by its IP families, called as kind calls them: ipv4, ipv6, dual (IPv4 first).

Unless a person says otherwise. The IPv6 ranges are unique local addresses (RFC 4193), a /64 of pods for each node.
"""

from __future__ import annotations

from typing import Final, Literal

from minikube_py.config.parts import Network

IPFamily = Literal["ipv4", "ipv6", "dual"]

NODE_NETWORK_IPV6: Final = "fd00:10:230::/64"
_IPV4: Final = Network()
_IPV6: Final = Network(
    service_cidrs=("fd00:10:96::/112",),
    pod_cidrs=("fd00:10:244::/48",),
    load_balancer_cidrs=("fd00:10:231::/112",),
    dns_ips=("fd00:10:96::a",),
)


def network_of(family: IPFamily) -> Network:
    """The usual ranges of a cluster of these families."""
    if family == "ipv4":
        return _IPV4
    if family == "ipv6":
        return _IPV6
    return Network(
        service_cidrs=_IPV4.service_cidrs + _IPV6.service_cidrs,
        pod_cidrs=_IPV4.pod_cidrs + _IPV6.pod_cidrs,
        load_balancer_cidrs=_IPV4.load_balancer_cidrs,
        dns_ips=_IPV4.dns_ips + _IPV6.dns_ips,
    )
