"""The numbers of a PodDisruptionBudget. Pure.

Semantics: kubernetes/kubernetes pkg/controller/disruption. The API server's eviction subresource spends what is granted
here and notes whom it has let go in ``status.disruptedPods``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from minikube_py.api.meta import format_time, is_deleting, metadata, name_of, parse_time
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import with_condition
from minikube_py.controllers.intstr import scaled
from minikube_py.controllers.podstate import has_ended, is_ready

#: A pod whose eviction was granted but that is still there after this long was not evicted after all.
DELETION_TIMEOUT = timedelta(minutes=2)


def needs_scale(budget: Object) -> bool:
    """Whether the expected number comes from the pods' controllers rather than from counting pods."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def desired_healthy(budget: Object, expected: int) -> int:
    """How many pods have to stay healthy."""
    spec = budget.get("spec") or {}
    if spec.get("maxUnavailable") is not None:
        return max(expected - scaled(spec["maxUnavailable"], expected, round_up=True), 0)
    if spec.get("minAvailable") is not None:
        return scaled(spec["minAvailable"], expected, round_up=True)
    return 0


def still_disrupted(budget: Object, pods: Sequence[Object], now: datetime) -> tuple[dict[str, str], datetime | None]:
    """The pods whose granted eviction has not shown yet, and when the first of them is given up."""
    listed: Mapping[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    known = {name_of(pod): pod for pod in pods}
    kept: dict[str, str] = {}
    first: datetime | None = None
    for name, since in listed.items():
        pod = known.get(name)
        limit = parse_time(since) + DELETION_TIMEOUT
        if pod is None or is_deleting(pod) or limit <= now:
            continue
        kept[name] = since
        first = limit if first is None else min(first, limit)
    return kept, first


def plan_status(budget: Object, pods: Sequence[Object], expected: int, now: datetime) -> Object:
    """The status, given the pods it covers and how many there should be."""
    disrupted, _ = still_disrupted(budget, pods, now)
    counted = [pod for pod in pods if not has_ended(pod)]
    healthy = sum(1 for pod in counted if is_ready(pod) and not is_deleting(pod) and name_of(pod) not in disrupted)
    desired = desired_healthy(budget, expected)
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    verdict = ("True", "SufficientPods") if allowed > 0 else ("False", "InsufficientPods")
    generation = metadata(budget).get("generation")
    status: Object = {
        "observedGeneration": generation,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "conditions": with_condition(
            (budget.get("status") or {}).get("conditions"), _condition(*verdict, "", generation, now)
        ),
    }
    return status | ({"disruptedPods": disrupted} if disrupted else {})


def failed_status(budget: Object, message: str, now: datetime) -> Object:
    """Nothing may be evicted while nobody knows how many pods there should be."""
    status = budget.get("status") or {}
    generation = metadata(budget).get("generation")
    condition = _condition("False", "SyncFailed", message, generation, now)
    return status | {
        "observedGeneration": generation,
        "disruptionsAllowed": 0,
        "currentHealthy": status.get("currentHealthy", 0),
        "desiredHealthy": status.get("desiredHealthy", 0),
        "expectedPods": status.get("expectedPods", 0),
        "conditions": with_condition(status.get("conditions"), condition),
    }


def _condition(status: str, reason: str, message: str, generation: object, now: datetime) -> Object:
    return {
        "type": "DisruptionAllowed",
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": format_time(now),
    }
