"""Taints and tolerations: who may stay on a tainted node. Scheduler, DaemonSets and eviction must agree on it.

Semantics: ``Toleration.ToleratesTaint`` of k8s.io/api/core/v1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Taint = Mapping[str, Any]
Toleration = Mapping[str, Any]

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"
#: The effects that keep a pod off a node.
HARD_EFFECTS = (NO_SCHEDULE, NO_EXECUTE)

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration accepts one taint. An empty key with ``Exists`` accepts every key, an empty effect every
    effect."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    wanted, value = str(toleration.get("value") or ""), str(taint.get("value") or "")
    if operator == "Exists":
        return True
    if operator == "Equal":
        return wanted == value
    return _compare(operator, value, wanted)


def _compare(operator: str, value: str, wanted: str) -> bool:
    """``Lt`` and ``Gt`` (KEP-5471): the taint's number against the toleration's; what is no number never matches."""
    if not (_NUMBER.fullmatch(value) and _NUMBER.fullmatch(wanted)):
        return False
    if operator == "Lt":
        return int(value) < int(wanted)
    return operator == "Gt" and int(value) > int(wanted)


def tolerated(tolerations: Iterable[Toleration], taint: Taint) -> bool:
    """Whether any of the tolerations accepts the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


def first_untolerated(
    taints: Iterable[Taint], tolerations: Iterable[Toleration], effects: Iterable[str] = HARD_EFFECTS
) -> Taint | None:
    """The first taint with one of ``effects`` that nothing tolerates, or None."""
    wanted, accepted = tuple(effects), tuple(tolerations)
    return next((taint for taint in taints if taint.get("effect") in wanted and not tolerated(accepted, taint)), None)
