"""From what a person asked for to what every part is told: addresses, files, configurations. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from minikube_py.cluster.engine import engine_socket
from minikube_py.cluster.identity import Identity
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.runtimes import Runtimes
from minikube_py.config.cluster import ClusterConfig, NodeRuntime
from minikube_py.config.parts import AgentConfig, ApiAccess, APIServerConfig, ControlPlaneConfig, KeyPair, MachineConfig

FABRIC_API_PORT = 6443
#: Where scheduler and controllers, one process, say that they are well.
CONTROLPLANE_HEALTH_PORT = 10257
_CONTROL_PARTS = ("controller-manager", "scheduler")
_FIRST_NODE = 11
_POD_PREFIX = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node: its name, its addresses and its slices of the pod networks (primary family first), its runtime."""

    name: str
    ips: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    runtime: NodeRuntime

    @property
    def ip(self) -> str:
        """Its address in the primary family."""
        return self.ips[0]


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """A cluster with everything decided that can be decided before anything runs."""

    config: ClusterConfig
    paths: ClusterPaths
    runtimes: Runtimes
    fabric_ips: tuple[str, ...]
    host_ips: tuple[str, ...]
    nodes: tuple[NodePlan, ...]

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def service_ip(self) -> str:
        """The ClusterIP of the `kubernetes` Service: the first address of the range."""
        return str(ipaddress.ip_network(self.config.network.service_cidrs[0])[1])

    @property
    def fabric_ip(self) -> str:
        """The fabric's address in the primary family: the API server's."""
        return self.fabric_ips[0]

    @property
    def fabric_url(self) -> str:
        """The API server as the parts reach it."""
        host = f"[{self.fabric_ip}]" if ":" in self.fabric_ip else self.fabric_ip
        return f"https://{host}:{FABRIC_API_PORT}"


def make_plan(config: ClusterConfig, paths: ClusterPaths, runtimes: Runtimes) -> ClusterPlan:
    """Gives every node its name and addresses. Raises ValueError where a network is too small for the nodes."""
    networks = [ipaddress.ip_network(cidr) for cidr in config.node_networks]
    for network in networks:
        if network.num_addresses <= _FIRST_NODE + config.nodes:
            raise ValueError(f"the node network {network} is too small for {config.nodes} nodes")
    slices = [_pod_slices(cidr, config.nodes) for cidr in config.network.pod_cidrs]
    nodes = tuple(
        NodePlan(
            name=f"{config.name}-{index + 1}",
            ips=_addresses(networks, _FIRST_NODE + index),
            pod_cidrs=tuple(family[index] for family in slices),
            runtime=runtimes.of(f"{config.name}-{index + 1}"),
        )
        for index in range(config.nodes)
    )
    return ClusterPlan(config, paths, runtimes, _addresses(networks, 1), _addresses(networks, 2), nodes)


def _addresses(networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network], index: int) -> tuple[str, ...]:
    return tuple(str(network[index]) for network in networks)


def _pod_slices(cidr: str, nodes: int) -> list[str]:
    network = ipaddress.ip_network(cidr)
    prefix = _POD_PREFIX[network.version]
    if network.prefixlen > prefix or 1 << (prefix - network.prefixlen) < nodes:
        raise ValueError(f"the pod network {network} has no room for {nodes} nodes of /{prefix}")
    return [str(part) for part in islice(network.subnets(new_prefix=prefix), nodes)]


def identities(plan: ClusterPlan) -> dict[str, Identity]:
    """File name -> identity, for every certificate of the cluster (kubeadm's names and groups)."""
    domain = plan.config.network.domain
    issued = {
        "admin": Identity("kubernetes-admin", ("system:masters",)),
        "apiserver": Identity(
            "kube-apiserver",
            server_names=(
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                f"kubernetes.default.svc.{domain}",
            ),
            server_addresses=("127.0.0.1", "::1", *plan.fabric_ips, plan.service_ip),
        ),
        "apiserver-kubelet-client": Identity("kube-apiserver-kubelet-client", ("system:masters",)),
        "scheduler": Identity("system:kube-scheduler"),
        "controller-manager": Identity("system:kube-controller-manager"),
    }
    for node in plan.nodes:
        issued[node.name] = Identity(
            f"system:node:{node.name}", ("system:nodes",), server_names=(node.name,), server_addresses=node.ips
        )
    return issued


def apiserver_config(plan: ClusterPlan, listen_fds: tuple[int, ...]) -> APIServerConfig:
    pki = plan.paths.pki
    return APIServerConfig(
        listen=(),
        listen_fds=listen_fds,
        advertise_address=plan.fabric_ip,
        advertise_port=FABRIC_API_PORT,
        serving=_pair(plan, "apiserver"),
        client_ca=pki / "ca.crt",
        service_account_key=pki / "sa.key",
        kubelet_client=_pair(plan, "apiserver-kubelet-client"),
        network=plan.config.network,
        journal=plan.paths.journal,
        components=tuple((part, f"http://127.0.0.1:{CONTROLPLANE_HEALTH_PORT}/healthz") for part in _CONTROL_PARTS),
        audit_log=plan.config.audit_log,
        audit_policy=plan.config.audit_policy,
    )


def controlplane_config(plan: ClusterPlan) -> ControlPlaneConfig:
    return ControlPlaneConfig(
        api=_access(plan, "controller-manager"),
        scheduler_api=_access(plan, "scheduler"),
        network=plan.config.network,
        service_account_ca=plan.paths.pki / "ca.crt",
        cluster_signing=_pair(plan, "ca"),
        node_monitor_grace_seconds=plan.config.node_grace,
        host_sockets=plan.paths.vendor_socket,
        health_port=CONTROLPLANE_HEALTH_PORT,
    )


def agent_config(plan: ClusterPlan, node: NodePlan) -> AgentConfig:
    return AgentConfig(
        node_name=node.name,
        node_ips=node.ips,
        pod_cidrs=node.pod_cidrs,
        api=_access(plan, node.name),
        serving=_pair(plan, node.name),
        client_ca=plan.paths.pki / "ca.crt",
        state_dir=plan.paths.node_state(node.name),
        runtime=node.runtime,
        machine_socket=plan.paths.machine_socket(node.name),
        image_dir=plan.paths.images,
        host_sockets=plan.paths.vendor_socket,
        network=plan.config.network,
        proxy_mode=plan.config.proxy_mode,
        cluster=plan.paths.label,
        engine_socket=engine_socket() if node.runtime == "docker" else None,
        lease_seconds=max(1, round(plan.config.node_grace)),
    )


def machine_config(plan: ClusterPlan, node: NodePlan) -> MachineConfig:
    return MachineConfig(
        node_name=node.name,
        state_dir=plan.paths.node_state(node.name),
        socket=plan.paths.machine_socket(node.name),
        image_dir=plan.paths.images,
    )


def directories(plan: ClusterPlan) -> Iterator[str]:
    """Every directory that must be there before a part starts."""
    paths = plan.paths
    yield from map(str, (paths.root, paths.pki, paths.logs, paths.images, paths.sockets))
    yield from (str(paths.node_state(node.name)) for node in plan.nodes)


def _pair(plan: ClusterPlan, name: str) -> KeyPair:
    return KeyPair(certificate=plan.paths.pki / f"{name}.crt", key=plan.paths.pki / f"{name}.key")


def _access(plan: ClusterPlan, name: str) -> ApiAccess:
    return ApiAccess(server=plan.fabric_url, ca=plan.paths.pki / "ca.crt", client=_pair(plan, name))
