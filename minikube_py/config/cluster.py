"""What a person asks for: the cluster that ``minik up`` makes."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, Literal

from minikube_py.config.families import IPFamily, network_of, node_network_ipv6_of, node_network_of
from minikube_py.config.model import Field, Model
from minikube_py.config.parts import Network

NodeRuntime = Literal["process", "docker", "simulated"]
RuntimeName = Literal["auto", "process", "docker", "simulated"]

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_MOST_NODES = 200


class ClusterConfig(Model):
    """A cluster's shape. Everything has a default; ``minik up`` needs no file."""

    name: str = "minik"
    nodes: int = Field(default=1, ge=1, le=_MOST_NODES)
    runtime: RuntimeName = Field(default="process", description="auto: Docker where it can be used, else processes")
    node_runtimes: dict[str, NodeRuntime] = Field(default={}, description="node name -> what its pods are made of")
    proxy_mode: Literal["auto", "userspace", "nftables"] = "userspace"
    node_grace: float = Field(
        default=40.0, ge=1, description="seconds of silence after which a node is NotReady (upstream's default)"
    )
    api_port: int = Field(default=0, ge=0, le=65535, description="on the host's loopback; 0 takes a free one")
    ip_family: IPFamily = "ipv4"
    node_network: str = Field(default=node_network_of(), description="addresses of the nodes and of the API server")
    node_network_ipv6: str = Field(default=node_network_ipv6_of(), description="the same in the other family")
    network: Network = Field(default=Network(), description="where absent, the usual ranges of the family")
    audit_log: Path | None = Field(default=None, description="file for the API server's audit events")
    audit_policy: Path | None = Field(default=None, description="which requests it tells of: an audit.k8s.io/v1 Policy")

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        if "network" not in given and given.get("ip_family") in ("ipv6", "dual"):
            return given | {"network": network_of(given["ip_family"])}
        return given

    @property
    def has_usual_ranges(self) -> bool:
        """Whether the ranges are those of a machine's first cluster, and so may be exchanged for another's."""
        return self == self.numbered(0)

    def numbered(self, number: int) -> ClusterConfig:
        """The same cluster with the usual ranges of the ``number``-th cluster of a machine."""
        ranges = {
            "network": network_of(self.ip_family, number),
            "node_network": node_network_of(number),
            "node_network_ipv6": node_network_ipv6_of(number),
        }
        return self.model_copy(update=ranges)

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

    def _check(self) -> None:
        if not _DNS_LABEL.fullmatch(self.name):
            raise ValueError("name: must be a DNS label: lower-case letters, digits and '-', 40 characters at most")
        self._nodes_exist()
        self._families_agree()
        self._networks_are_apart()

    def _nodes_exist(self) -> None:
        names = {f"{self.name}-{index + 1}" for index in range(self.nodes)}
        if strangers := sorted(self.node_runtimes.keys() - names):
            raise ValueError(
                f"there is no node {strangers[0]}: the nodes are {self.name}-1 to {self.name}-{self.nodes}"
            )

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
