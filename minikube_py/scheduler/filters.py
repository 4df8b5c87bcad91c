"""Filters that look at one node alone: name, taints, affinity, ports, resources. Reasons are upstream's words."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api.nodeaffinity import matches_required
from minikube_py.api.tolerations import NO_SCHEDULE, UNSCHEDULABLE, first_untolerated, tolerated
from minikube_py.scheduler.snapshot import Check, Snapshot
from minikube_py.scheduler.views import NodeInfo, PodInfo

_CORDON_TAINT = {"key": UNSCHEDULABLE, "effect": NO_SCHEDULE}


def node_unschedulable(pod: PodInfo, _snapshot: Snapshot) -> Check | None:
    """A cordoned node takes only pods that tolerate being there."""
    if tolerated(pod.tolerations, _CORDON_TAINT):
        return None

    def check(node: NodeInfo) -> Sequence[str]:
        cordoned = (node.obj.get("spec") or {}).get("unschedulable")
        return ("node(s) were unschedulable",) if cordoned else ()

    return check


def node_name(pod: PodInfo, _snapshot: Snapshot) -> Check | None:
    """A pod that names a node goes nowhere else."""
    wanted = pod.node_name
    if not wanted:
        return None
    return lambda node: () if node.name == wanted else ("node(s) didn't match the requested node name",)


def taint_toleration(pod: PodInfo, _snapshot: Snapshot) -> Check | None:
    """NoSchedule and NoExecute taints must be tolerated."""

    def check(node: NodeInfo) -> Sequence[str]:
        if not node.taints:
            return ()
        taint = first_untolerated(node.taints, pod.tolerations)
        if taint is None:
            return ()
        return (f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value') or ''}}}",)

    return check


def node_affinity(pod: PodInfo, _snapshot: Snapshot) -> Check | None:
    """nodeSelector and required node affinity."""
    affinity = (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    if not pod.spec.get("nodeSelector") and "requiredDuringSchedulingIgnoredDuringExecution" not in affinity:
        return None

    def check(node: NodeInfo) -> Sequence[str]:
        fits = matches_required(pod.obj, node.obj)
        return () if fits else ("node(s) didn't match Pod's node affinity/selector",)

    return check


def node_ports(pod: PodInfo, _snapshot: Snapshot) -> Check | None:
    """Host ports must be free on the node."""
    wanted = pod.host_ports
    if not wanted:
        return None

    def check(node: NodeInfo) -> Sequence[str]:
        taken = (port for other in node.pods.values() for port in other.host_ports)
        clash = any(port.collides(other) for other in taken for port in wanted)
        return ("node(s) didn't have free ports for the requested pod ports",) if clash else ()

    return check


def resources_fit(pod: PodInfo, _snapshot: Snapshot) -> Check | None:
    """What the pod asks for must be unclaimed on the node, and the node must have room for one more pod."""
    needs = sorted(pod.requests.items(), key=lambda item: (item[0] not in ("cpu", "memory"), item[0]))

    def check(node: NodeInfo) -> Sequence[str]:
        free, taken = node.allocatable, node.requested
        reasons = ["Too many pods"] if len(node.pods) + 1 > free.get("pods", 0) else []
        reasons += [f"Insufficient {name}" for name, need in needs if need > free.get(name, 0) - taken.get(name, 0)]
        return reasons

    return check


def spec_node_names(pod: PodInfo) -> frozenset[str] | None:
    """The only nodes a required ``metadata.name`` field rule leaves, or None: saves a look at all other nodes."""
    affinity = (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return None
    names: set[str] = set()
    for term in required.get("nodeSelectorTerms") or ():
        rules = [rule for rule in term.get("matchFields") or () if rule.get("operator") == "In"]
        if not rules:
            return None
        names |= set.intersection(*(set(rule.get("values") or ()) for rule in rules))
    return frozenset(names)
