"""How many pods to make, which to remove, and what to say in the status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from minikube_py.api.meta import format_time, is_deleting, metadata
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import compact, with_new_verdict, without
from minikube_py.controllers.podcontrol import BURST
from minikube_py.controllers.podstate import (
    carries,
    count,
    deletion_order,
    has_ended,
    is_active,
    is_available,
    is_ready,
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """``create`` pods to make, and the pods to remove."""

    create: int
    delete: list[Object]


def desired_replicas(owner: Object) -> int:
    """spec.replicas, 1 where it is not set."""
    value = (owner.get("spec") or {}).get("replicas")
    return 1 if value is None else int(value)


def plan_scaling(owner: Object, pods: Sequence[Object], related: Sequence[Object], now: datetime) -> Scaling:
    """What to do about the number of pods. An owner that is being deleted leaves them to the garbage collector."""
    if is_deleting(owner):
        return Scaling(0, [])
    active = [pod for pod in pods if is_active(pod)]
    missing = desired_replicas(owner) - len(active)
    if missing >= 0:
        return Scaling(min(missing, BURST), [])
    surplus = min(-missing, BURST)
    return Scaling(0, deletion_order(active, now=now, related=related)[:surplus])


def plan_status(owner: Object, pods: Sequence[Object], now: datetime, failure: tuple[str, str] | None) -> Object:
    """The status that these pods amount to. ``failure``: reason and message of what just went wrong."""
    spec, old = owner.get("spec") or {}, owner.get("status") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    minimum = int(spec.get("minReadySeconds") or 0)
    active = [pod for pod in pods if is_active(pod)]
    return compact(
        {
            "replicas": len(active),
            "fullyLabeledReplicas": count(active, lambda pod: carries(pod, labels)),
            "readyReplicas": count(active, is_ready),
            "availableReplicas": count(active, lambda pod: is_available(pod, minimum, now)),
            "terminatingReplicas": _terminating(owner, pods),
            "observedGeneration": metadata(owner).get("generation"),
            "conditions": _conditions(old.get("conditions"), now, failure),
        },
        keep=("replicas",),
    )


def _terminating(owner: Object, pods: Sequence[Object]) -> int | None:
    if owner.get("kind") != "ReplicaSet":
        return None
    return count(pods, lambda pod: is_deleting(pod) and not has_ended(pod))


def _conditions(current: list[Object] | None, now: datetime, failure: tuple[str, str] | None) -> list[Object]:
    if failure is None:
        return without(current, "ReplicaFailure")
    reason, message = failure
    return with_new_verdict(
        current,
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": format_time(now),
        },
    )
