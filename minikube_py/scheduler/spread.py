"""Topology spread constraints: evenness over zones, hosts or any label (KEP-895, KEP-3022, KEP-3094)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from minikube_py.api.nodeaffinity import matches_required
from minikube_py.api.selectors import LabelSelector
from minikube_py.api.tolerations import first_untolerated
from minikube_py.scheduler.snapshot import MAX_SCORE, Check, Snapshot
from minikube_py.scheduler.views import HOSTNAME, ZONE, NodeInfo, PodInfo, SpreadConstraint

_SKEWED = "node(s) didn't match pod topology spread constraints"
_UNLABELLED = "node(s) didn't match pod topology spread constraints (missing required label)"

#: Upstream's built-in soft constraints: topology key and maximum skew.
_DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))


def spread_filter(pod: PodInfo, snapshot: Snapshot) -> Check | None:
    """No domain may get more than maxSkew ahead of the emptiest one (DoNotSchedule)."""
    constraints = [constraint for constraint in pod.spread if constraint.hard]
    if not constraints:
        return None
    keys = [constraint.topology_key for constraint in constraints]
    eligible = [node for node in snapshot.nodes if all(key in node.labels for key in keys)]
    tallies = [(constraint, _tally(pod, constraint, eligible)) for constraint in constraints]

    def check(node: NodeInfo) -> Sequence[str]:
        for constraint, tally in tallies:
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return (_UNLABELLED,)
            if _skew(pod, constraint, tally, value) > constraint.max_skew:
                return (_SKEWED,)
        return ()

    return check


def spread_score(pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> Sequence[int] | None:
    """Prefers the domains with the fewest matching pods: by the pod's soft constraints, else by its group."""
    constraints = [constraint for constraint in pod.spread if not constraint.hard] if pod.spread else []
    own = bool(pod.spread)
    if not own:
        constraints = _default_constraints(snapshot.group_selectors(pod))
    if not constraints:
        return None
    scored = [not own or all(c.topology_key in node.labels for c in constraints) for node in nodes]
    raw = _raw_scores(pod, constraints, snapshot, nodes)
    return _normalize(raw, scored)


def _raw_scores(
    pod: PodInfo, constraints: Sequence[SpreadConstraint], snapshot: Snapshot, nodes: Sequence[NodeInfo]
) -> list[float]:
    totals = [0.0] * len(nodes)
    for constraint in constraints:
        domains = {node.labels[constraint.topology_key] for node in nodes if constraint.topology_key in node.labels}
        weight = math.log(len(domains) + 2)
        tally = _tally(pod, constraint, snapshot.nodes)
        for index, node in enumerate(nodes):
            value = node.labels.get(constraint.topology_key)
            if value is not None:
                totals[index] += tally[value] * weight + constraint.max_skew - 1
    return [float(round(total)) for total in totals]


def _normalize(raw: Sequence[float], scored: Sequence[bool]) -> list[int]:
    counted = [value for value, use in zip(raw, scored, strict=True) if use]
    if not counted:
        return [0] * len(raw)
    low, high = min(counted), max(counted)
    if high == 0:
        return [MAX_SCORE if use else 0 for use in scored]
    return [int(MAX_SCORE * (high + low - value) / high) if use else 0 for value, use in zip(raw, scored, strict=True)]


def _tally(pod: PodInfo, constraint: SpreadConstraint, nodes: Iterable[NodeInfo]) -> Counter[str]:
    """Matching pods per domain; a domain without any is there with 0."""
    tally: Counter[str] = Counter()
    for node in nodes:
        value = node.labels.get(constraint.topology_key)
        if value is not None and _counts(pod, constraint, node):
            tally[value] += _matching(pod, constraint.selector, node)
    return tally


def _counts(pod: PodInfo, constraint: SpreadConstraint, node: NodeInfo) -> bool:
    if constraint.honor_affinity and not matches_required(pod.obj, node.obj):
        return False
    return not constraint.honor_taints or first_untolerated(node.taints, pod.tolerations) is None


def _matching(pod: PodInfo, selector: LabelSelector, node: NodeInfo) -> int:
    return sum(
        1
        for other in node.pods.values()
        if other.namespace == pod.namespace and not other.deleting and selector.matches(other.labels)
    )


def _skew(pod: PodInfo, constraint: SpreadConstraint, tally: Counter[str], value: str) -> int:
    fewest = 0 if len(tally) < constraint.min_domains else min(tally.values(), default=0)
    itself = 1 if constraint.selector.matches(pod.labels) else 0
    return tally[value] + itself - fewest


def _default_constraints(selectors: Sequence[LabelSelector]) -> list[SpreadConstraint]:
    if not selectors:
        return []
    together = LabelSelector(tuple(requirement for selector in selectors for requirement in selector.requirements))
    return [SpreadConstraint(skew, key, False, together, honor_affinity=False) for key, skew in _DEFAULTS]
