"""What a Deployment says about itself: numbers, conditions, progress and its deadline. Pure.

Reasons and messages: kubernetes/kubernetes pkg/controller/deployment/progress.go and sync.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from minikube_py.api.meta import find_condition, format_time, metadata, name_of, parse_time
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import compact, with_condition, with_new_verdict, without
from minikube_py.controllers.deployment import views
from minikube_py.controllers.deployment.views import replicas_of, spec_of, status_of

PROGRESSING = "Progressing"
AVAILABLE = "Available"
FAILURE = "ReplicaFailure"
NEW_RS_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
_NO_DEADLINE = 2**31 - 1


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """A Deployment condition as of now."""
    moment = format_time(now)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }


def plan_status(deployment: Object, new: Object | None, everything: Sequence[Object], now: datetime) -> Object:
    """The status of a Deployment whose ReplicaSets are ``everything``, progress included."""
    status = _numbers(deployment, new, everything)
    conditions = list(status_of(deployment).get("conditions") or ())
    conditions = with_new_verdict(conditions, _availability(deployment, everything, now))
    if has_deadline(deployment):
        conditions = _progress(deployment, status, conditions, new, now)
    conditions = _failure(conditions, new, everything)
    return compact(status | {"conditions": conditions})


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether every replica is updated and available and nothing of the old is left."""
    wanted = replicas_of(deployment)
    numbers = ("updatedReplicas", "replicas", "availableReplicas")
    seen = int(status.get("observedGeneration") or 0) >= int(metadata(deployment).get("generation") or 0)
    return seen and all(int(status.get(name) or 0) == wanted for name in numbers)


def has_deadline(deployment: Object) -> bool:
    """Whether progress is watched at all."""
    value = spec_of(deployment).get("progressDeadlineSeconds")
    return value is not None and int(value) != _NO_DEADLINE


def deadline_in(deployment: Object, status: Object, now: datetime) -> float | None:
    """Seconds until the rollout counts as stuck; None where nothing is being waited for."""
    current = find_condition(status.get("conditions"), PROGRESSING)
    if current is None or not has_deadline(deployment) or is_complete(deployment, status):
        return None
    if current.get("reason") in (TIMED_OUT, NEW_RS_AVAILABLE) or not current.get("lastUpdateTime"):
        return None
    limit = timedelta(seconds=int(spec_of(deployment)["progressDeadlineSeconds"]))
    return max((parse_time(current["lastUpdateTime"]) + limit - now).total_seconds(), 0.0) + 1.0


def paused_conditions(deployment: Object, now: datetime) -> list[Object]:
    """Progressing while paused, or just resumed: a pause must not run into the deadline."""
    conditions = list(status_of(deployment).get("conditions") or ())
    if not has_deadline(deployment):
        return conditions
    current = find_condition(conditions, PROGRESSING)
    if current is not None and current.get("reason") == TIMED_OUT:
        return conditions
    was_paused = current is not None and current.get("reason") == "DeploymentPaused"
    paused = bool(spec_of(deployment).get("paused"))
    if paused == was_paused:
        return conditions
    reason, message = (
        ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
    )
    return with_condition(conditions, condition(PROGRESSING, "Unknown", reason, message, now))


def found_conditions(deployment: Object, new: Object, now: datetime, *, created: bool) -> list[Object]:
    """Progressing after the new ReplicaSet was made, or recognized among those that are there."""
    conditions = list(status_of(deployment).get("conditions") or ())
    if not has_deadline(deployment) or (not created and find_condition(conditions, PROGRESSING) is not None):
        return conditions
    reason, verb = ("NewReplicaSetCreated", "Created") if created else ("FoundNewReplicaSet", "Found")
    message = f'{verb} new replica set "{name_of(new)}"'
    return with_new_verdict(conditions, condition(PROGRESSING, "True", reason, message, now))


def _numbers(deployment: Object, new: Object | None, everything: Sequence[Object]) -> Object:
    available = views.total(everything, "availableReplicas")
    replicas = views.total(everything, "replicas")
    return {
        "observedGeneration": metadata(deployment).get("generation"),
        "replicas": replicas,
        "updatedReplicas": views.total([new] if new else [], "replicas"),
        "readyReplicas": views.total(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(views.total_spec(everything) - available, 0),
        "terminatingReplicas": views.total(everything, "terminatingReplicas"),
        "collisionCount": status_of(deployment).get("collisionCount"),
    }


def _availability(deployment: Object, everything: Sequence[Object], now: datetime) -> Object:
    least = replicas_of(deployment) - views.max_unavailable(deployment)
    if views.total(everything, "availableReplicas") >= least:
        return condition(AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    return condition(
        AVAILABLE, "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now
    )


def _progress(
    deployment: Object, status: Object, conditions: list[Object], new: Object | None, now: datetime
) -> list[Object]:
    current = find_condition(conditions, PROGRESSING)
    subject = f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    settled = (
        int(status.get("replicas") or 0) == int(status.get("updatedReplicas") or 0)
        and current is not None
        and current.get("reason") == NEW_RS_AVAILABLE
    )
    if settled:
        return conditions
    if is_complete(deployment, status):
        message = f"{subject} has successfully progressed."
        return with_new_verdict(conditions, condition(PROGRESSING, "True", NEW_RS_AVAILABLE, message, now))
    if _advanced(status_of(deployment), status):
        verdict = condition(PROGRESSING, "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
        return with_condition(conditions, verdict)
    if _overdue(deployment, current, now):
        message = f"{subject} has timed out progressing."
        return with_new_verdict(conditions, condition(PROGRESSING, "False", TIMED_OUT, message, now))
    return conditions


def _advanced(old: Object, new: Object) -> bool:
    def number(status: Object, name: str) -> int:
        return int(status.get(name) or 0)

    def outdated(status: Object) -> int:
        return number(status, "replicas") - number(status, "updatedReplicas")

    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return outdated(new) < outdated(old) or any(number(new, name) > number(old, name) for name in more)


def _overdue(deployment: Object, current: Object | None, now: datetime) -> bool:
    if current is None or current.get("reason") == NEW_RS_AVAILABLE:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    since = current.get("lastUpdateTime") or current.get("lastTransitionTime")
    if not since:
        return False
    return parse_time(since) + timedelta(seconds=int(spec_of(deployment)["progressDeadlineSeconds"])) < now


def _failure(conditions: list[Object], new: Object | None, everything: Sequence[Object]) -> list[Object]:
    """A ReplicaSet that cannot make pods makes its Deployment say so."""
    order = [*([new] if new is not None else []), *everything]
    failed = (find_condition(status_of(rs).get("conditions"), FAILURE) for rs in order)
    found = next((entry for entry in failed if entry is not None), None)
    if found is None:
        return without(conditions, FAILURE)
    names = ("type", "status", "reason", "message", "lastTransitionTime")
    copied = {name: found[name] for name in names if name in found}
    return with_new_verdict(conditions, copied | {"lastUpdateTime": found.get("lastTransitionTime")})
