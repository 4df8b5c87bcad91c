"""What a person asks for: the cluster that ``minik up`` makes."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, get_args

from minikube_py.config.families import IPFamily, network_of, node_network_ipv6_of, node_network_of
from minikube_py.config.parts import Network, Told

NodeRuntime = Literal["process", "docker", "simulated"]
RuntimeName = Literal["auto", "process", "docker", "simulated"]

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_MOST_NODES = 200
#: What a cluster's name has to be: it begins node names and file names.
NAME_RULE: Final = "must be a DNS label: lower-case letters, digits and '-', 40 characters at most"
#: Stands for the usual ranges of the families that are asked for.
_USUAL: Final = Network()


def is_cluster_name(name: str) -> bool:
    """Whether a cluster may be called so: see ``NAME_RULE``."""
    return bool(_DNS_LABEL.fullmatch(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig(Told):
    """A cluster's shape. Everything has a default; ``minik up`` needs no file."""

    name: str = "minik"
    nodes: int = 1
    #: auto: Docker where it can be used, else processes
    runtime: RuntimeName = "process"
    #: node name -> what its pods are made of
    node_runtimes: dict[str, NodeRuntime] = field(default_factory=dict)
    proxy_mode: Literal["auto", "userspace", "nftables"] = "userspace"
    #: seconds of silence after which a node is NotReady (upstream's default)
    node_grace: float = 40.0
    #: on the host's loopback; 0 takes a free one
    api_port: int = 0
    ip_family: IPFamily = "ipv4"
    #: addresses of the nodes and of the API server
    node_network: str = node_network_of()
    #: the same in the other family
    node_network_ipv6: str = node_network_ipv6_of()
    #: where absent, the usual ranges of the family
    network: Network = _USUAL
    #: file for the API server's audit events
    audit_log: Path | None = None
    #: which requests it tells of: an audit.k8s.io/v1 Policy
    audit_policy: Path | None = None

    @property
    def has_usual_ranges(self) -> bool:
        """Whether the ranges are those of a machine's first cluster, and so may be exchanged for another's."""
        return self == self.numbered(0)

    def numbered(self, number: int) -> ClusterConfig:
        """The same cluster with the usual ranges of the ``number``-th cluster of a machine."""
        return replace(
            self,
            network=network_of(self.ip_family, number),
            node_network=node_network_of(number),
            node_network_ipv6=node_network_ipv6_of(number),
        )

    @property
    def ranges(self) -> tuple[str, ...]:
        """Everything that the host would have to route to the cluster: Services, pods, nodes and load balancers."""
        network = self.network
        return (*network.service_cidrs, *network.pod_cidrs, *self.node_networks, *network.load_balancer_cidrs)

    @property
    def node_networks(self) -> tuple[str, ...]:
        """The networks of the nodes, primary family first."""
        networks = {"ipv4": (self.node_network,), "ipv6": (self.node_network_ipv6,)}
        return networks.get(self.ip_family, (self.node_network, self.node_network_ipv6))

    def __post_init__(self) -> None:
        if self.network is _USUAL:
            object.__setattr__(self, "network", network_of(self.ip_family))
        if not is_cluster_name(self.name):
            raise ValueError(f"name: {NAME_RULE}")
        if not 1 <= self.nodes <= _MOST_NODES:
            raise ValueError(f"nodes: must be 1 to {_MOST_NODES}")
        if self.node_grace < 1:
            raise ValueError("node_grace: must be a second or more")
        if not 0 <= self.api_port <= 65535:
            raise ValueError("api_port: must be 0 to 65535")
        self._nodes_exist()
        self._families_agree()
        self._networks_are_apart()

    def _nodes_exist(self) -> None:
        names = {f"{self.name}-{index + 1}" for index in range(self.nodes)}
        if strangers := sorted(self.node_runtimes.keys() - names):
            last = f" to {self.name}-{self.nodes}" if self.nodes > 1 else ""
            raise ValueError(f"node_runtimes: there is no node {strangers[0]}, there is {self.name}-1{last}")
        known = get_args(NodeRuntime)
        if unknown := sorted(set(self.node_runtimes.values()) - set(known)):
            raise ValueError(f"node_runtimes: {unknown[0]!r} is none of {', '.join(known)}")

    def _families_agree(self) -> None:
        versions = {"ipv4": [4], "ipv6": [6], "dual": [4, 6]}[self.ip_family]
        for what in ("service_cidrs", "pod_cidrs", "dns_ips"):
            ranges = [ipaddress.ip_interface(text) for text in getattr(self.network, what)]
            if [each.version for each in ranges] != versions:
                raise ValueError(f"{what} must be of the family {self.ip_family}, one of each, IPv4 first")

    def _networks_are_apart(self) -> None:
        networks = [ipaddress.ip_network(text) for text in self.ranges]
        for index, one in enumerate(networks):
            for other in networks[index + 1 :]:
                if one.version == other.version and one.overlaps(other):
                    raise ValueError(f"the networks {one} and {other} overlap")
