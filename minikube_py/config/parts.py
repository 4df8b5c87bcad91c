"""What each part of a cluster is told at its start.

The supervisor hands a part its configuration as the fork leaves it in memory; to one that is started alone
(``minik apiserver --config FILE``) a JSON document tells the same (``documents.py``). Paths are absolute; addresses are
``host:port``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What every configuration has in common: its documents are strict about names, so that a misspelt setting is an
    error and not a silent default."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair(Told):
    """A PEM certificate and its PEM private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess(Told):
    """How a part reaches the API server, and as whom."""

    #: https://host:port
    server: str
    ca: Path
    client: KeyPair | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Told):
    """The cluster's addresses. The first range of each pair is the primary family."""

    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",)
    pod_cidrs: tuple[str, ...] = ("10.244.0.0/16",)
    load_balancer_cidrs: tuple[str, ...] = ("192.168.231.0/24",)
    node_port_range: tuple[int, int] = (30000, 32767)
    dns_ips: tuple[str, ...] = ("10.96.0.10",)
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True, kw_only=True)
class APIServerConfig(Told):
    """One API server."""

    listen: tuple[str, ...] = ("127.0.0.1:0",)
    #: listening sockets inherited from the supervisor
    listen_fds: tuple[int, ...] = ()
    #: endpoint address of the `kubernetes` Service
    advertise_address: str = "127.0.0.1"
    advertise_port: int = 6443
    serving: KeyPair
    client_ca: Path
    #: CSV: token,user,uid[,"group,group"]
    token_file: Path | None = None
    #: PEM private key (EC P-256) that signs ServiceAccount tokens
    service_account_key: Path
    #: how it authenticates to the agents' endpoints
    kubelet_client: KeyPair | None = None
    authorization_mode: Literal["AlwaysAllow", "RBAC"] = "RBAC"
    network: Network = Network()
    #: file that keeps the objects over a restart; absent: memory only
    journal: Path | None = None
    #: file that audit events are appended to, as JSON lines
    audit_log: Path | None = None
    #: audit.k8s.io/v1 Policy, YAML; absent: the metadata of everything
    audit_policy: Path | None = None
    #: other parts of the control plane and their health URLs, as `kubectl get cs` shows them
    components: tuple[tuple[str, str], ...] = ()
    #: watch events kept before 410 Gone
    history_size: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneConfig(Told):
    """Scheduler, controllers and cloud provider, or some of them."""

    parts: tuple[Literal["scheduler", "controllers", "cloud"], ...] = ("scheduler", "controllers", "cloud")

    #: the controller manager's own identity
    api: ApiAccess
    #: the scheduler's; `api` where absent
    scheduler_api: ApiAccess | None = None
    network: Network = Network()
    #: CA bundle published as ConfigMap kube-root-ca.crt
    service_account_ca: Path
    #: signs approved CertificateSigningRequests; nobody does where absent
    cluster_signing: KeyPair | None = None
    #: a lease older than this makes a node NotReady
    node_monitor_grace_seconds: float = 40.0
    host_sockets: Path | None = None
    #: the cloud carries node ports from its own address to the nodes
    edge: bool = False
    #: where /healthz answers on the loopback
    health_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineConfig(Told):
    """One node's fork server: the machine under an agent. It shares nothing with it but the socket."""

    node_name: str
    state_dir: Path
    #: Unix SOCK_SEQPACKET on which its agent finds it
    socket: Path
    image_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig(Told):
    """One node."""

    node_name: str
    #: one per family, primary first
    node_ips: tuple[str, ...]
    #: this node's own slices of the pod network
    pod_cidrs: tuple[str, ...]
    api: ApiAccess
    serving: KeyPair
    client_ca: Path
    state_dir: Path
    kubelet_port: int = 10250
    runtime: Literal["process", "docker", "simulated"] = "process"
    #: where this node's fork server listens (process runtime)
    machine_socket: Path | None = None
    #: of a Docker engine; the usual one if absent
    engine_socket: Path | None = None
    #: label minik.cluster of everything made in the engine
    cluster: str = "minik"
    #: root filesystems shared by all nodes of this machine
    image_dir: Path
    #: vendor of host-network sockets; absent where the agent owns its network
    host_sockets: Path | None = None
    host_resolv_conf: Path = Path("/etc/resolv.conf")
    #: where the agent sees the files of the machine that runs its pods
    host_root: Path = Path("/")
    network: Network = Network()
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[dict[str, str], ...] = ()
    lease_seconds: int = 40
    proxy_mode: Literal["auto", "userspace", "nftables"] = "userspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessConfig(Told):
    """The part that waits for a new cluster's nodes and tells `minik up`."""

    api: ApiAccess
    nodes: tuple[str, ...]
    #: the inherited descriptor of the pipe to tell it on
    progress: int = -1
