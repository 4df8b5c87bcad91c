"""What traffic policies make of a connection: which endpoints it may have, and whose address they see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minikube_py.api.types import Object
from minikube_py.insight.trace.meeting import Meeting, Way
from minikube_py.insight.trace.path import Origin, Source, Step

_ONLY_HERE = "only endpoints of the node that takes the connection"
_ANYWHERE = "endpoints of all nodes"


def side_of(route: Mapping[str, Any], meeting: Meeting) -> Mapping[str, Any]:
    """The route's backends for this class of clients: verdict, endpoints, excluded."""
    outside: Mapping[str, Any] = route.get("outside") or route
    return route if meeting.inside else outside


def policy_step(source: Source, service: Object, meeting: Meeting) -> Step:
    """The policy that applies, and why it does."""
    spec = service["spec"]
    if meeting.on_host:
        reason = "the machine's loopback is a client of the node that takes the connection, whichever that is"
        return Step("policy", "Cluster", (reason,))
    if meeting.way is Way.CLUSTER_IP:
        policy = spec.get("internalTrafficPolicy", "Cluster")
        spread = spec.get("trafficDistribution")
        prefers = (f"trafficDistribution {spread} prefers near ones, by the slices' hints",) if spread else ()
        told = f"internalTrafficPolicy counts for a {source.origin}: {_meaning(policy)}"
        return Step("policy", policy, (told, *prefers))
    if meeting.inside:
        told = "externalTrafficPolicy does not bind the node's own clients: endpoints of all nodes"
        return Step("policy", "Cluster", (told,))
    policy = spec.get("externalTrafficPolicy", "Cluster")
    whom = "a client of another node" if source.origin in (Origin.POD, Origin.NODE) else "clients outside"
    return Step("policy", policy, (f"externalTrafficPolicy counts for {whom}: {_meaning(policy)}",))


def keeps_source(source: Source, meeting: Meeting, route: Mapping[str, Any]) -> bool:
    """Whether endpoints see the client's own address. A pod that reaches itself is the exception."""
    keep = route["keepSource"]
    own_node = source.origin is Origin.NODE or source.in_node_network
    if meeting.on_host or keep == "Never" or (meeting.balanced and not meeting.keeps):
        return False
    if own_node and (meeting.inside or source.node in meeting.nodes):
        return False
    return source.origin is Origin.POD if keep == "Pods" else True


def source_step(source: Source, meeting: Meeting, route: Mapping[str, Any], side: Mapping[str, Any]) -> Step:
    """Whose address the endpoint sees."""
    if keeps_source(source, meeting, route):
        own = [each["address"] for each in side["endpoints"] if source.ip and _ip(each["address"]) == source.ip]
        hairpin = (f"except by {own[0]}: a pod that reaches itself sees its node",) if own else ()
        why = (
            "pods keep theirs"
            if route["keepSource"] == "Pods"
            else "under Local nothing is passed on, nothing rewritten"
        )
        return Step("source", f"kept: {source.ip or f'the {source.origin}'} is seen", (why, *hairpin))
    if (source.origin is Origin.NODE or source.in_node_network) and meeting.inside:
        return Step("source", f"an address of node {source.node} is seen", ("the node itself is the client",))
    return Step(
        "source",
        "rewritten: an address of the node is seen",
        ("the proxy puts its own: the answer must come back through it",),
    )


def _meaning(policy: str) -> str:
    return _ONLY_HERE if policy == "Local" else _ANYWHERE


def _ip(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
