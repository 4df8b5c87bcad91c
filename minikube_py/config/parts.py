"""What each part of a cluster is told at its start.

A part reads one JSON document of its own model, whether the supervisor forked it or a person started it alone
(``minik apiserver --config FILE``). Paths are absolute; addresses are ``host:port``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from minikube_py.config.model import Field, Model


class KeyPair(Model):
    """A PEM certificate and its PEM private key."""

    certificate: Path
    key: Path


class ApiAccess(Model):
    """How a part reaches the API server, and as whom."""

    server: str = Field(description="https://host:port")
    ca: Path
    client: KeyPair | None = None
    token_file: Path | None = None


class Network(Model):
    """The cluster's addresses. The first range of each pair is the primary family."""

    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",)
    pod_cidrs: tuple[str, ...] = ("10.244.0.0/16",)
    load_balancer_cidrs: tuple[str, ...] = ("192.168.231.0/24",)
    node_port_range: tuple[int, int] = (30000, 32767)
    dns_ips: tuple[str, ...] = ("10.96.0.10",)
    domain: str = "cluster.local"


class APIServerConfig(Model):
    """One API server."""

    listen: tuple[str, ...] = ("127.0.0.1:0",)
    listen_fds: tuple[int, ...] = Field(default=(), description="listening sockets inherited from the supervisor")
    advertise_address: str = Field(default="127.0.0.1", description="endpoint address of the `kubernetes` Service")
    advertise_port: int = 6443
    serving: KeyPair
    client_ca: Path
    token_file: Path | None = Field(default=None, description='CSV: token,user,uid[,"group,group"]')
    service_account_key: Path = Field(description="PEM private key (EC P-256) that signs ServiceAccount tokens")
    kubelet_client: KeyPair | None = Field(default=None, description="how it authenticates to the agents' endpoints")
    authorization_mode: Literal["AlwaysAllow", "RBAC"] = "RBAC"
    network: Network = Network()
    journal: Path | None = Field(
        default=None, description="file that keeps the objects over a restart; absent: memory only"
    )
    audit_log: Path | None = Field(default=None, description="file that audit events are appended to, as JSON lines")
    audit_policy: Path | None = Field(
        default=None, description="audit.k8s.io/v1 Policy, YAML; absent: the metadata of everything"
    )
    history_size: int = Field(default=10_000, description="watch events kept before 410 Gone")


class ControlPlaneConfig(Model):
    """Scheduler, controllers and cloud provider, or some of them."""

    parts: tuple[Literal["scheduler", "controllers", "cloud"], ...] = ("scheduler", "controllers", "cloud")

    api: ApiAccess = Field(description="the controller manager's own identity")
    scheduler_api: ApiAccess | None = Field(default=None, description="the scheduler's; `api` where absent")
    network: Network = Network()
    service_account_ca: Path = Field(description="CA bundle published as ConfigMap kube-root-ca.crt")
    cluster_signing: KeyPair | None = Field(
        default=None, description="signs approved CertificateSigningRequests; nobody does where absent"
    )
    node_monitor_grace_seconds: float = Field(default=40.0, description="a lease older than this makes a node NotReady")
    host_sockets: Path | None = None
    edge: bool = Field(default=False, description="the cloud carries node ports from its own address to the nodes")
    health_port: int | None = Field(default=None, description="where /healthz answers on the loopback")


class MachineConfig(Model):
    """One node's fork server: the machine under an agent. It reads this as plain JSON."""

    node_name: str
    state_dir: Path
    socket: Path = Field(description="Unix SOCK_SEQPACKET on which its agent finds it")
    image_dir: Path


class AgentConfig(Model):
    """One node."""

    node_name: str
    node_ips: tuple[str, ...] = Field(description="one per family, primary first")
    pod_cidrs: tuple[str, ...] = Field(description="this node's own slices of the pod network")
    api: ApiAccess
    serving: KeyPair
    client_ca: Path
    state_dir: Path
    kubelet_port: int = 10250
    runtime: Literal["process", "docker", "simulated"] = "process"
    machine_socket: Path | None = Field(
        default=None, description="where this node's fork server listens (process runtime)"
    )
    engine_socket: Path | None = Field(default=None, description="of a Docker engine; the usual one if absent")
    cluster: str = Field(default="minik", description="label minik.cluster of everything made in the engine")
    image_dir: Path = Field(description="root filesystems shared by all nodes of this machine")
    host_sockets: Path | None = Field(
        default=None, description="vendor of host-network sockets; absent where the agent owns its network"
    )
    host_resolv_conf: Path = Path("/etc/resolv.conf")
    network: Network = Network()
    labels: dict[str, str] = Field(default={})
    taints: tuple[dict[str, str], ...] = ()
    lease_seconds: int = 40
    proxy_mode: Literal["auto", "userspace", "nftables"] = "userspace"


class ReadinessConfig(Model):
    """The part that waits for a new cluster's nodes and tells `minik up`."""

    api: ApiAccess
    nodes: tuple[str, ...]
    progress: int = Field(default=-1, description="the inherited descriptor of the pipe to tell it on")
