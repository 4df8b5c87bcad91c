"""Which nodes a DaemonSet's pods belong on, and what to do about those that are and are not there. Pure.

Semantics: kubernetes/kubernetes pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from minikube_py.api.meta import annotations_of, is_deleting, labels_of, metadata, name_of
from minikube_py.api.nodeaffinity import matches_required
from minikube_py.api.tolerations import (
    HARD_EFFECTS,
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    first_untolerated,
)
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import compact
from minikube_py.controllers.history import HASH_LABEL
from minikube_py.controllers.intstr import scaled
from minikube_py.controllers.podcontrol import pod_from_template
from minikube_py.controllers.podstate import is_available, is_ready, node_of, phase_of

_PRESSURE = (
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    UNSCHEDULABLE,
)
_NO_NETWORK = "node.kubernetes.io/network-unavailable"

#: How often the template has changed: nothing is decided by it, but pods have carried it since they were in v1beta1.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"

PodsByNode = Mapping[str, Sequence[Object]]


def spec_of(daemons: Object) -> Object:
    return daemons.get("spec") or {}


def new_pod(daemons: Object, node: str, revision: str) -> Object:
    """The daemon for one node: bound to it by affinity (the scheduler places it), and hard to drive away."""
    owner = daemons | {"apiVersion": "apps/v1", "kind": "DaemonSet"}
    pod = pod_from_template(owner, spec_of(daemons).get("template") or {})
    generation = annotations_of(daemons).get(TEMPLATE_GENERATION)
    pod["metadata"]["labels"] |= {HASH_LABEL: revision} | ({GENERATION_LABEL: generation} if generation else {})
    spec = pod["spec"]
    spec["affinity"] = _affinity_to(node, spec.get("affinity") or {})
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *_missing_tolerations(spec)]
    return pod


def belongs(daemons: Object, node: Object) -> tuple[bool, bool]:
    """Whether a daemon should be started on the node, and whether one that runs there may stay."""
    template = spec_of(daemons).get("template") or {}
    spec = template.get("spec") or {}
    if spec.get("nodeName") not in (None, "", name_of(node)):
        return False, False
    if not matches_required({"spec": spec}, node):
        return False, False
    tolerations = [*(spec.get("tolerations") or ()), *_missing_tolerations(spec)]
    taints = (node.get("spec") or {}).get("taints") or ()
    starts = first_untolerated(taints, tolerations, HARD_EFFECTS) is None
    stays = first_untolerated(taints, tolerations, (NO_EXECUTE,)) is None
    return starts, stays


@dataclass(slots=True)
class Actions:
    """Nodes that get a daemon, pods that go; ``failed`` are those of the latter that had failed."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)


def by_node(pods: Sequence[Object]) -> dict[str, list[Object]]:
    """The daemons by the node they are on, or are meant for."""
    found: dict[str, list[Object]] = {}
    for pod in pods:
        name = target_node(pod)
        if name:
            found.setdefault(name, []).append(pod)
    return found


def target_node(pod: Object) -> str:
    """The node a daemon is bound to, or is to be bound to."""
    if node_of(pod):
        return node_of(pod)
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for rule in term.get("matchFields") or ():
            if rule.get("key") == "metadata.name" and len(rule.get("values") or ()) == 1:
                return str(rule["values"][0])
    return ""


def plan_placement(daemons: Object, nodes: Sequence[Object], pods: Sequence[Object], revision: str) -> Actions:
    """One daemon on each node that should have one: the oldest scheduled one stays where there are several."""
    actions = Actions()
    placed = by_node(pods)
    surging = max_surge(daemons, _wanted(daemons, nodes)) > 0
    for node in nodes:
        there = placed.pop(name_of(node), [])
        starts, stays = belongs(daemons, node)
        if starts and not there:
            actions.create.append(name_of(node))
        elif stays:
            _thin_out(there, actions, revision if surging else "")
        else:
            actions.delete += [pod for pod in there if not is_deleting(pod)]
    for left in placed.values():
        actions.delete += [pod for pod in left if not is_deleting(pod)]
    return actions


def plan_update(
    daemons: Object, nodes: Sequence[Object], pods: Sequence[Object], revision: str, now: datetime
) -> Actions:
    """The next step of a rolling update: without surge delete old daemons, at most maxUnavailable away; with surge
    start new ones beside them and delete the old when the new are available."""
    actions = Actions()
    strategy = spec_of(daemons).get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return actions
    wanted = [node for node in nodes if belongs(daemons, node)[0]]
    surge, unavailable = max_surge(daemons, len(wanted)), max_unavailable(daemons, len(wanted))
    placed = by_node(pods)
    minimum = int(spec_of(daemons).get("minReadySeconds") or 0)
    state = [_on_node(placed.get(name_of(node), ()), revision, minimum, now) for node in wanted]
    if surge:
        _surge(wanted, state, surge, actions)
    else:
        _replace(state, unavailable, actions)
    return actions


def plan_status(
    daemons: Object, nodes: Sequence[Object], pods: Sequence[Object], revision: str, now: datetime, collisions: int
) -> Object:
    """The numbers of ``kubectl get daemonsets``."""
    placed = by_node([pod for pod in pods if not is_deleting(pod)])
    minimum = int(spec_of(daemons).get("minReadySeconds") or 0)
    desired = scheduled = misplaced = ready = available = updated = 0
    for node in nodes:
        there = placed.get(name_of(node), [])
        if not belongs(daemons, node)[0]:
            misplaced += 1 if there else 0
            continue
        desired += 1
        scheduled += 1 if there else 0
        ready += any(is_ready(pod) for pod in there)
        available += any(is_available(pod, minimum, now) for pod in there)
        updated += any(labels_of(pod).get(HASH_LABEL) == revision for pod in there)
    return compact(
        {
            "desiredNumberScheduled": desired,
            "currentNumberScheduled": scheduled,
            "numberMisscheduled": misplaced,
            "numberReady": ready,
            "numberAvailable": available,
            "numberUnavailable": desired - available,
            "updatedNumberScheduled": updated,
            "observedGeneration": metadata(daemons).get("generation"),
            "collisionCount": collisions,
            "conditions": (daemons.get("status") or {}).get("conditions"),
        },
        keep=("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady"),
    )


def max_surge(daemons: Object, desired: int) -> int:
    rolling = (spec_of(daemons).get("updateStrategy") or {}).get("rollingUpdate") or {}
    return scaled(rolling.get("maxSurge", 0), desired, round_up=True)


def max_unavailable(daemons: Object, desired: int) -> int:
    rolling = (spec_of(daemons).get("updateStrategy") or {}).get("rollingUpdate") or {}
    value = scaled(rolling.get("maxUnavailable", 1), desired, round_up=True)
    return value if value or max_surge(daemons, desired) else 1


@dataclass(slots=True)
class _Place:
    """The daemons on one node that count: one of an older revision, one of the newest."""

    old: Object | None = None
    new: Object | None = None
    old_available: bool = False
    new_available: bool = False
    leaving: bool = False


def _on_node(pods: Sequence[Object], revision: str, minimum: int, now: datetime) -> _Place:
    place = _Place()
    for pod in pods:
        if is_deleting(pod):
            place.leaving = True
            continue
        up = is_available(pod, minimum, now)
        if labels_of(pod).get(HASH_LABEL) == revision:
            place.new, place.new_available = pod, up
        else:
            place.old, place.old_available = pod, up
    return place


def _replace(state: Sequence[_Place], unavailable: int, actions: Actions) -> None:
    """Old daemons that are down anyway go at once; of those that are up as many as may be missing."""
    away = sum(1 for place in state if not (place.old_available or place.new_available))
    for place in state:
        if place.old is None or place.new is not None or place.leaving:
            continue
        if not place.old_available:
            actions.delete.append(place.old)
        elif away < unavailable:
            actions.delete.append(place.old)
            away += 1


def _surge(nodes: Sequence[Object], state: Sequence[_Place], surge: int, actions: Actions) -> None:
    extra = sum(1 for place in state if place.old is not None and place.new is not None and not place.new_available)
    for node, place in zip(nodes, state, strict=True):
        if place.old is None:
            continue
        if place.new is not None:
            if place.new_available:
                actions.delete.append(place.old)
        elif not place.old_available or extra < surge:
            actions.create.append(name_of(node))
            extra += 1 if place.old_available else 0


def _thin_out(pods: Sequence[Object], actions: Actions, surging_to: str) -> None:
    alive: list[Object] = []
    for pod in pods:
        if is_deleting(pod):
            continue
        if phase_of(pod) in ("Failed", "Succeeded"):
            actions.delete.append(pod)
            actions.failed += [pod] if phase_of(pod) == "Failed" else []
        else:
            alive.append(pod)
    groups = [alive]
    if surging_to:
        groups = [
            [pod for pod in alive if labels_of(pod).get(HASH_LABEL) == surging_to],
            [pod for pod in alive if labels_of(pod).get(HASH_LABEL) != surging_to],
        ]
    for group in groups:
        actions.delete += sorted(group, key=_seniority)[1:]


def _seniority(pod: Object) -> tuple[bool, str, str]:
    return (not node_of(pod), metadata(pod).get("creationTimestamp") or "", name_of(pod))


def _wanted(daemons: Object, nodes: Sequence[Object]) -> int:
    return sum(1 for node in nodes if belongs(daemons, node)[0])


def _affinity_to(node: str, affinity: Object) -> Object:
    """The affinity with the node's name as the only choice; other required node rules have been checked already."""
    rule = {"key": "metadata.name", "operator": "In", "values": [node]}
    nodes = (affinity.get("nodeAffinity") or {}) | {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [rule]}]}
    }
    return affinity | {"nodeAffinity": nodes}


def _missing_tolerations(spec: Object) -> list[dict[str, Any]]:
    wanted = [(NOT_READY, NO_EXECUTE), (UNREACHABLE, NO_EXECUTE), *((key, NO_SCHEDULE) for key in _PRESSURE)]
    if spec.get("hostNetwork"):
        wanted.append((_NO_NETWORK, NO_SCHEDULE))
    have = {
        (entry.get("key"), entry.get("effect"))
        for entry in spec.get("tolerations") or ()
        if entry.get("operator") == "Exists" and entry.get("tolerationSeconds") is None
    }
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted if (key, effect) not in have]
