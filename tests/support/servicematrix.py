"""What Kubernetes promises of a Service, as a table: who answers whom, and whose address the endpoint sees.

Every cell of the matrix (kind of address x policy x source x state of the endpoints) comes from two tables written down
from the documentation, never from our own code:

- ``REACHES``: which endpoints' set a source gets (the whole cluster's, or that of one node), and whose address is seen.
- ``ANSWERS``: what each set gives in each state of the endpoints.

Documents: [VIP] "Virtual IPs and Service Proxies", [SVC] "Service", [SRC] "Using Source IP", [ITP] "Service Internal
Traffic Policy", [LB] "Create an External Load Balancer", [1669] and [2086] the KEPs "Proxy Terminating Endpoints" and
"Service internal traffic policy".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from minikube_py.api.types import Object
from tests.support.netlab import FABRIC6, NODES, NODES6, PODS, PODS6, SERVER_PORT, WORLD, WORLD6
from tests.support.services import endpoint, endpoint_slice, port, service

#: Sources: a pod on the endpoint b's node, one on c's node, the endpoint b itself, the nodes, the machine (it
#: enters the cluster by the fabric), somebody outside.
SOURCES: Final = ("a", "d", "b", "node-1", "node-2", "fabric", "world")
_PODS: Final = ("a", "b", "d")
#: Where a packet meets its first Service proxy. What comes from elsewhere is routed to node-1.
_ENTRY: Final = {"a": "node-1", "b": "node-1", "node-1": "node-1", "d": "node-2", "node-2": "node-2"}

_LEAVING: Final = {"ready": False, "serving": True, "terminating": True}
#: State of the endpoints -> pod -> conditions. The pod b is on node-1, c on node-2.
STATES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "ready on both nodes": {"b": {}, "c": {}},
    "ready on node-1": {"b": {}},
    "ready on node-2": {"c": {}},
    "no endpoint": {},
    "none ready": {"b": {"ready": False}, "c": {"ready": False}},
    "all terminating": {"b": _LEAVING, "c": _LEAVING},
    "terminating on node-1, ready on node-2": {"b": _LEAVING, "c": {}},
    "terminating and not serving": {"b": _LEAVING | {"serving": False}, "c": _LEAVING | {"serving": False}},
}

REFUSED, DROPPED = "refused", "timeout"

#: Set of endpoints -> state -> the pods that may answer, or what the client is told.
ANSWERS: Final[dict[str, dict[str, str]]] = {
    # [VIP]: any ready endpoint; [1669]: terminating ones that serve where none is ready; [VIP]: none at all, rejected.
    "Cluster": {
        "ready on both nodes": "bc",
        "ready on node-1": "b",
        "ready on node-2": "c",
        "no endpoint": REFUSED,
        "none ready": REFUSED,
        "all terminating": "bc",
        "terminating on node-1, ready on node-2": "c",
        "terminating and not serving": REFUSED,
    },
    # [ITP], [SRC]: only node-local endpoints, else dropped; [1669]: the node's terminating ones before dropping.
    "Local on node-1": {
        "ready on both nodes": "b",
        "ready on node-1": "b",
        "ready on node-2": DROPPED,
        "no endpoint": REFUSED,
        "none ready": REFUSED,
        "all terminating": "b",
        "terminating on node-1, ready on node-2": "b",
        "terminating and not serving": REFUSED,
    },
    "Local on node-2": {
        "ready on both nodes": "c",
        "ready on node-1": DROPPED,
        "ready on node-2": "c",
        "no endpoint": REFUSED,
        "none ready": REFUSED,
        "all terminating": "c",
        "terminating on node-1, ready on node-2": "c",
        "terminating and not serving": REFUSED,
    },
}

OWN, NODE = "the client's own address", "the address of the node where it entered"


class Reach(NamedTuple):
    """What a class of sources gets: which set of endpoints ("Local": of the node it enters), and who is seen."""

    endpoints: str
    seen: str


@dataclass(frozen=True, slots=True)
class Address:
    """One way to address a Service. ``policy`` is the one that governs it: internal for ClusterIP, else external."""

    kind: str
    policy: str
    pods: Reach
    node: Reach
    outside: Reach
    documents: str


_EVERYWHERE = Reach("Cluster", NODE)
_SHORT_CIRCUIT = Reach("Cluster", OWN), Reach("Cluster", NODE), Reach("Local", OWN)
REACHES: Final = (
    Address("ClusterIP", "Cluster", Reach("Cluster", OWN), _EVERYWHERE, _EVERYWHERE, "[SRC] 'Type=ClusterIP'; [VIP]"),
    Address("ClusterIP", "Local", Reach("Local", OWN), Reach("Local", NODE), Reach("Local", NODE), "[ITP], [2086]"),
    Address("NodePort", "Cluster", _EVERYWHERE, _EVERYWHERE, _EVERYWHERE, "[SRC] 'Type=NodePort'"),
    Address("NodePort", "Local", *_SHORT_CIRCUIT, "[SRC] 'Type=NodePort', [VIP] 'External traffic policy'"),
    Address("LoadBalancer", "Cluster", _EVERYWHERE, _EVERYWHERE, _EVERYWHERE, "[SRC] 'Type=LoadBalancer'"),
    Address("LoadBalancer", "Local", *_SHORT_CIRCUIT, "[LB] 'Preserving the client source IP'"),
    Address("ExternalIP", "Cluster", _EVERYWHERE, _EVERYWHERE, _EVERYWHERE, "[SVC] 'External IPs'"),
    Address("ExternalIP", "Local", *_SHORT_CIRCUIT, "[SVC] 'External IPs', [VIP] 'External traffic policy'"),
)
PROTOCOLS: Final = ("TCP", "UDP")
FAMILIES: Final = ("IPv4", "IPv6")


class Cell(NamedTuple):
    """One connection: from where to what, and what must come of it."""

    address: str
    family: str
    protocol: str
    source: str
    ip: str
    port: int
    answers: str
    seen: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.address} {self.family} {self.protocol} from {self.source}"

    def holds(self, observed: tuple[str, str]) -> bool:
        """Whether (who answered, whom it saw) is what the documents say."""
        name, seen = observed
        if self.answers in (REFUSED, DROPPED):
            return name == self.answers
        return name in tuple(self.answers) and seen in self.seen


def objects(state: str) -> Iterator[Object]:
    """A Service for every address and protocol, with its slices of both families."""
    for number, address in enumerate(REACHES, start=1):
        for protocol in PROTOCOLS:
            name = f"{address.kind}-{address.policy}-{protocol}".lower()
            yield service(name, **_spec(number, address, protocol))
            for family in FAMILIES:
                ends = [
                    endpoint((PODS6[pod] if family == "IPv6" else PODS[pod][1]), node=PODS[pod][0], **conditions)
                    for pod, conditions in STATES[state].items()
                ]
                ports = [{"name": "", "protocol": protocol, "port": SERVER_PORT}]
                yield endpoint_slice(name, ends, name=f"{name}-{family}".lower(), ports=ports, family=family)


def cells(state: str) -> Iterator[Cell]:
    """Every connection of the matrix in one state of the endpoints."""
    for number, address in enumerate(REACHES, start=1):
        for family in FAMILIES:
            for protocol in PROTOCOLS:
                for source in SOURCES:
                    yield _cell(number, address, family, protocol, source, state)


def _cell(number: int, address: Address, family: str, protocol: str, source: str, state: str) -> Cell:
    ipv6 = family == "IPv6"
    entry = "node-1" if address.kind == "NodePort" else _ENTRY.get(source, "node-1")
    reach = _reach(address, source, entry)
    endpoints = reach.endpoints if reach.endpoints == "Cluster" else f"Local on {entry}"
    seen = _address_of(source if reach.seen == OWN else entry, ipv6=ipv6)
    answers = ANSWERS[endpoints][state]
    allowed = (seen, _address_of(entry, ipv6=ipv6)) if _comes_back_otherwise(source, entry, answers) else (seen,)
    ip, at = _front_end(number, address.kind, protocol, ipv6=ipv6)
    name = f"{address.kind}/{address.policy}"
    return Cell(name, family, protocol, source, ip, at, answers, allowed)


def _comes_back_otherwise(source: str, entry: str, answers: str) -> bool:
    """Whether an answer to the client's own address would not come by the node where it entered.

    Of a pod that reaches itself (hairpin), and of a pod on another node whose endpoint is on another node too.
    """
    return source in answers or (source in _PODS and PODS[source][0] != entry)


def _reach(address: Address, source: str, entry: str) -> Reach:
    if source in _PODS:  # a pod of another node comes from outside (upstream's e2e for Services)
        return address.pods if PODS[source][0] == entry else address.outside
    return address.node if source == entry else address.outside


def _address_of(place: str, *, ipv6: bool) -> str:
    if place in PODS:
        return PODS6[place] if ipv6 else PODS[place][1]
    if place in NODES:
        return (NODES6 if ipv6 else NODES)[place][0]
    return {"fabric": ("192.168.230.1", FABRIC6), "world": (WORLD, WORLD6)}[place][ipv6]


def _spec(number: int, address: Address, protocol: str) -> dict[str, Any]:
    node_port = _front_end(number, "NodePort", protocol, ipv6=False)[1] if address.kind == "NodePort" else 0
    ips = [_front_end(number, "ClusterIP", protocol, ipv6=ipv6)[0] for ipv6 in (False, True)]
    foreign = [_front_end(number, address.kind, protocol, ipv6=ipv6)[0] for ipv6 in (False, True)]
    spec: dict[str, Any] = {
        "ip": ips[0],
        "clusterIPs": ips,
        "ports": [port(80, protocol=protocol, node_port=node_port)],
    }
    if address.kind == "ClusterIP":
        return spec | {"internalTrafficPolicy": address.policy}
    spec["externalTrafficPolicy"] = address.policy
    if address.kind == "ExternalIP":
        return spec | {"externalIPs": foreign}
    spec["type"] = address.kind
    return spec | ({"ingress": [{"ip": ip} for ip in foreign]} if address.kind == "LoadBalancer" else {})


def _front_end(number: int, kind: str, protocol: str, *, ipv6: bool) -> tuple[str, int]:
    index = 2 * number + PROTOCOLS.index(protocol)
    if kind == "NodePort":
        return (NODES6 if ipv6 else NODES)["node-1"][0], 30300 + index
    if kind == "ClusterIP":
        return (f"fd00:96::3{index:02}" if ipv6 else f"10.96.3.{index}"), 80
    return (f"fd00:203::{index}" if ipv6 else f"203.0.113.{index}"), 80
