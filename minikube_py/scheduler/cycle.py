"""One scheduling decision: filter the nodes, score what is left, take the best. Pure.

The plugins, their order and weights are those of upstream's default profile.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minikube_py.scheduler import filters, interpod, scores, spread, volumes
from minikube_py.scheduler.snapshot import Check, Filter, Score, Snapshot, Unresolvable
from minikube_py.scheduler.views import NodeInfo, PodInfo

#: Filter plugins in the order in which the first refusal is reported.
FILTERS: Mapping[str, Filter] = {
    "NodeUnschedulable": filters.node_unschedulable,
    "NodeName": filters.node_name,
    "TaintToleration": filters.taint_toleration,
    "NodeAffinity": filters.node_affinity,
    "NodePorts": filters.node_ports,
    "NodeResourcesFit": filters.resources_fit,
    "VolumeRestrictions": volumes.sole_user_filter,
    "VolumeBinding": volumes.volume_filter,
    "PodTopologySpread": spread.spread_filter,
    "InterPodAffinity": interpod.interpod_filter,
}

#: Score functions and their weights.
SCORES: Sequence[tuple[Score, int]] = (
    (scores.taint_preference, 3),
    (scores.affinity_preference, 2),
    (spread.spread_score, 2),
    (interpod.interpod_score, 2),
    (scores.least_allocated, 1),
    (scores.balanced_allocation, 1),
    (scores.image_locality, 1),
)

#: Below this many nodes all are looked at; above it a shrinking share, as upstream samples large clusters.
_ALWAYS_ENOUGH = 100


@dataclass(frozen=True, slots=True)
class Placed:
    """The pod fits; ``node`` is the best place."""

    node: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No node takes the pod. ``plugins`` are those that said no: only what they look at can change the answer."""

    message: str
    plugins: frozenset[str]
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)


def decide(pod: PodInfo, snapshot: Snapshot, *, choice: random.Random, start: int = 0) -> Placed | Refused:
    """Where the pod goes, or why nowhere. ``start`` rotates which nodes a large cluster looks at first."""
    nodes = snapshot.nodes
    if not nodes:
        return Refused("no nodes available to schedule pods", frozenset({"NodeName"}))
    checks, refusal = _prepare(pod, snapshot)
    if refusal is not None:
        return refusal
    feasible, refused = _feasible(pod, nodes, checks, start)
    if not feasible:
        return _explain(len(nodes), refused)
    return Placed(_best(pod, snapshot, feasible, choice))


def explain_counts(total: int, reasons: Counter[str]) -> str:
    """``0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.``: reasons counted."""
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{total} nodes are available: {listed}."


def _prepare(pod: PodInfo, snapshot: Snapshot) -> tuple[list[tuple[str, Check]], Refused | None]:
    checks: list[tuple[str, Check]] = []
    for name, plugin in FILTERS.items():
        try:
            check = plugin(pod, snapshot)
        except Unresolvable as reason:
            return [], Refused(f"0/{len(snapshot.nodes)} nodes are available: {reason}.", frozenset({name}))
        if check is not None:
            checks.append((name, check))
    return checks, None


def _feasible(
    pod: PodInfo, nodes: Sequence[NodeInfo], checks: Sequence[tuple[str, Check]], start: int
) -> tuple[list[NodeInfo], dict[str, tuple[str, Sequence[str]]]]:
    enough = _enough(len(nodes))
    only = filters.spec_node_names(pod)
    feasible: list[NodeInfo] = []
    refused: dict[str, tuple[str, Sequence[str]]] = {}
    for index in range(len(nodes)):
        node = nodes[(start + index) % len(nodes)]
        if only is not None and node.name not in only:
            refused[node.name] = ("NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",))
            continue
        verdict = _first_refusal(node, checks)
        if verdict is not None:
            refused[node.name] = verdict
            continue
        feasible.append(node)
        if len(feasible) >= enough:
            break
    return feasible, refused


def _first_refusal(node: NodeInfo, checks: Sequence[tuple[str, Check]]) -> tuple[str, Sequence[str]] | None:
    for name, check in checks:
        reasons = check(node)
        if reasons:
            return name, reasons
    return None


def _enough(count: int) -> int:
    if count <= _ALWAYS_ENOUGH:
        return count
    percentage = max(50 - count // 125, 5)
    return max(count * percentage // 100, _ALWAYS_ENOUGH)


def _explain(total: int, refused: Mapping[str, tuple[str, Sequence[str]]]) -> Refused:
    counts = Counter(reason for _, reasons in refused.values() for reason in reasons)
    plugins = frozenset(name for name, _ in refused.values())
    return Refused(explain_counts(total, counts), plugins, {node: reasons for node, (_, reasons) in refused.items()})


def _best(pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo], choice: random.Random) -> str:
    if len(nodes) == 1:
        return nodes[0].name
    totals = [0] * len(nodes)
    for score, weight in SCORES:
        values = score(pod, snapshot, nodes)
        if values is not None:
            totals = [total + weight * value for total, value in zip(totals, values, strict=True)]
    top = max(totals)
    return choice.choice([node for node, total in zip(nodes, totals, strict=True) if total == top]).name
