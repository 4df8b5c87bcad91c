"""The words of routing: front ends that clients address, and the endpoints behind them.

Everything here is immutable, so that a data plane may keep what it was given and compare it with what comes next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from minikube_py.api.types import ObjectKey


class Scope(StrEnum):
    """The network in which a front end is bound."""

    NODE = "node"
    HOST = "host"
    """The machine's own network, outside the cluster's: where a person's browser is."""


class Kind(StrEnum):
    """By which of a Service's addresses a client came."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_IP = "ExternalIP"


class Verdict(StrEnum):
    """What happens to a new connection."""

    FORWARD = "Forward"
    REJECT = "Reject"
    DROP = "Drop"


class KeepSource(StrEnum):
    """Whose address the endpoint sees as its client's."""

    NEVER = "Never"
    PODS = "Pods"
    """Pods of the cluster keep theirs; everybody else is masqueraded."""
    ALL = "All"
    """Everybody but the node itself keeps theirs."""


class Reason(StrEnum):
    """Why an endpoint takes no traffic from a front end of this node."""

    NOT_READY = "NotReady"
    TERMINATING = "Terminating"
    NOT_SERVING = "TerminatingNotServing"
    OTHER_NODE = "OtherNode"
    OTHER_NODE_HINT = "HintedForOtherNode"
    OTHER_ZONE_HINT = "HintedForOtherZone"
    PORT_NAME = "NoSuchPort"
    INVALID_PORT = "InvalidPort"
    ADDRESS_FAMILY = "AddressFamily"
    NO_ADDRESS = "NoAddress"
    DUPLICATE = "Duplicate"


class Frontend(NamedTuple):
    """An address that clients use. ``protocol`` is TCP, UDP or SCTP."""

    scope: Scope
    ip: str
    port: int
    protocol: str

    def __str__(self) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{host}:{self.port}/{self.protocol}" + ("" if self.scope is Scope.NODE else " (host)")


class Endpoint(NamedTuple):
    """One address and port of an EndpointSlice, with what a routing decision needs to know about it."""

    ip: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    local: bool = False
    node: str = ""
    zone: str = ""
    zone_hints: frozenset[str] = frozenset()
    node_hints: frozenset[str] = frozenset()
    target: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.ip, self.port

    @property
    def fallback(self) -> bool:
        """Usable when no ready endpoint is left (KEP-1669)."""
        return not self.ready and self.serving and self.terminating

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Exclusion(NamedTuple):
    """An endpoint that takes no traffic, and why."""

    endpoint: Endpoint
    reason: Reason


@dataclass(frozen=True, slots=True)
class Backends:
    """What one class of clients of a front end gets."""

    verdict: Verdict
    endpoints: tuple[Endpoint, ...] = ()
    excluded: tuple[Exclusion, ...] = ()


class PortKey(NamedTuple):
    """A port of a Service: what session affinity and the choice of an endpoint belong to."""

    service: ObjectKey
    port: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.service}:{self.port}/{self.protocol}" if self.port else f"{self.service}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Route:
    """Everything a data plane needs to serve one front end.

    ``inside`` is for clients within the cluster (pods, and the node itself), ``outside`` for all others; they differ
    only under ``externalTrafficPolicy: Local``, where clients inside are short-circuited to the whole cluster.
    ``source_ranges`` are the only clients let in where there are any. ``affinity_seconds`` 0 means none.
    ``proxy_protocol`` begins every TCP connection to an endpoint with a line that names the client.
    """

    frontend: Frontend
    kind: Kind
    port: PortKey
    inside: Backends
    outside: Backends
    keep_source: KeepSource
    affinity_seconds: int = 0
    source_ranges: tuple[str, ...] = ()
    proxy_protocol: bool = False


#: What a data plane is told: the new route of a front end, or None where it is gone.
Changes = dict[Frontend, Route | None]


def family_of(ip: str) -> str:
    """``IPv4`` or ``IPv6`` of something that is known to be an address."""
    return "IPv6" if ":" in ip else "IPv4"
