"""What controllers ask about a pod: is it active, ready, available, and which of several should go first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from minikube_py.api.meta import (
    annotations_of,
    condition_is_true,
    find_condition,
    is_deleting,
    metadata,
    parse_time,
    uid_of,
)
from minikube_py.api.types import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase_of(pod: Object) -> str:
    """status.phase, "" before the first status."""
    return str((pod.get("status") or {}).get("phase") or "")


def has_ended(pod: Object) -> bool:
    """Succeeded or Failed: its containers will not run again."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Neither ended nor being deleted: it counts as a replica."""
    return not has_ended(pod) and not is_deleting(pod)


def is_ready(pod: Object) -> bool:
    """The Ready condition is true."""
    return condition_is_true((pod.get("status") or {}).get("conditions"), "Ready")


def ready_since(pod: Object) -> datetime | None:
    """When the pod last became ready, None where it is not ready."""
    condition = find_condition((pod.get("status") or {}).get("conditions"), "Ready")
    if condition is None or condition.get("status") != "True" or not condition.get("lastTransitionTime"):
        return None
    return parse_time(str(condition["lastTransitionTime"]))


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Ready for at least ``min_ready_seconds``."""
    if not is_ready(pod):
        return False
    if min_ready_seconds <= 0:
        return True
    since = ready_since(pod)
    return since is not None and since + timedelta(seconds=min_ready_seconds) <= now


def seconds_until_available(pods: Iterable[Object], min_ready_seconds: int, now: datetime) -> float | None:
    """When the next ready pod becomes available; None where no pod is on its way."""
    waits = [
        (since + timedelta(seconds=min_ready_seconds) - now).total_seconds()
        for pod in pods
        if (since := ready_since(pod)) is not None and not is_available(pod, min_ready_seconds, now)
    ]
    return max(min(waits), 0.0) if waits else None


def node_of(pod: Object) -> str:
    """spec.nodeName, "" while unscheduled."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def restarts_of(pod: Object) -> int:
    """The highest restart count among the containers."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount") or 0) for status in statuses), default=0)


def deletion_cost(pod: Object) -> int:
    """The annotation with which a user says which pod is dearer; 0 where absent or unreadable."""
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def deletion_order(pods: Sequence[Object], *, now: datetime, related: Iterable[Object] = ()) -> list[Object]:
    """The pods, those to be deleted first in front: upstream's ``ActivePodsWithRanks``.

    Unscheduled before scheduled, pending before running, unready before ready, cheap before dear, crowded nodes before
    empty ones, young before old (on a logarithmic scale, so that equals are picked at random by UID), often restarted
    before stable. ``related`` are the active pods that crowd nodes: all replicas of the same application.
    """
    crowd: dict[str, int] = {}
    for pod in related:
        if is_active(pod):
            crowd[node_of(pod)] = crowd.get(node_of(pod), 0) + 1

    def rank(pod: Object) -> tuple[object, ...]:
        return (
            bool(node_of(pod)),
            _PHASES.get(phase_of(pod), 0),
            is_ready(pod),
            deletion_cost(pod),
            -crowd.get(node_of(pod), 0),
            _age_bucket(ready_since(pod), now),
            -restarts_of(pod),
            _age_bucket(_created(pod), now),
            uid_of(pod),
        )

    return sorted(pods, key=rank)


def _age_bucket(since: datetime | None, now: datetime) -> int:
    """Ages that differ by less than a factor of two count as equal. No time at all is the youngest."""
    if since is None:
        return -1
    seconds = (now - since).total_seconds()
    return int(math.log2(seconds)) + 1 if seconds >= 1 else 0


def _created(pod: Object) -> datetime | None:
    text = metadata(pod).get("creationTimestamp")
    return parse_time(text) if text else None


def count(pods: Iterable[Object], predicate: Callable[[Object], bool]) -> int:
    """How many pods satisfy the predicate."""
    return sum(1 for pod in pods if predicate(pod))


def carries(pod: Object, labels: Mapping[str, str]) -> bool:
    """Whether the pod has all these labels."""
    own = metadata(pod).get("labels") or {}
    return all(own.get(key) == value for key, value in labels.items())
