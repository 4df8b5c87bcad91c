"""Whether a Job goes on, is done or has failed, and which pods that asks for. Pure.

Reasons and messages: kubernetes/kubernetes pkg/controller/job.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from minikube_py.api.meta import condition_is_true, format_time, name_of, parse_time
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import with_new_verdict
from minikube_py.controllers.job.backoff import IndexFailures
from minikube_py.controllers.job.indexes import INDEX, index_of
from minikube_py.controllers.job.policy import success_rule
from minikube_py.controllers.job.tally import (
    FINALIZER,
    Tally,
    is_indexed,
    waits_for_end,
)
from minikube_py.controllers.podcontrol import BURST, pod_from_template
from minikube_py.controllers.podstate import deletion_order

DEFAULT_BACKOFF_LIMIT = 6
_NO_FAILURES = IndexFailures()
_FAILURE_TARGET, _SUCCESS_MET = "FailureTarget", "SuccessCriteriaMet"


def spec_of(job: Object) -> Object:
    return job.get("spec") or {}


def conditions_of(job: Object) -> list[Object]:
    return (job.get("status") or {}).get("conditions") or []


def is_finished(job: Object) -> bool:
    """Complete or Failed: nothing changes any more."""
    return any(condition_is_true(conditions_of(job), kind) for kind in ("Complete", "Failed"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict on the whole Job: ``kind`` is Complete or Failed."""

    kind: str
    reason: str
    message: str


def outcome(job: Object, tally: Tally, now: datetime) -> Outcome | None:
    """What the Job comes to, if it comes to something now. What was decided before stays decided."""
    decided = _decided(job)
    if decided is not None:
        return decided
    if tally.fail_job is not None:
        return Outcome("Failed", "PodFailurePolicy", tally.fail_job.message)
    return _failure(job, tally, now) or _success(job, tally)


def deadline_in(job: Object, now: datetime) -> float | None:
    """Seconds until activeDeadlineSeconds has passed."""
    limit, started = spec_of(job).get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if limit is None or not started or spec_of(job).get("suspend"):
        return None
    return (parse_time(started) + timedelta(seconds=int(limit)) - now).total_seconds()


@dataclass(frozen=True, slots=True)
class PodChanges:
    """Pods to make and to remove."""

    create: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def plan_pods(job: Object, tally: Tally, now: datetime, *, over: bool) -> PodChanges:
    """The pods of a Job that goes on; none for one that is over or suspended."""
    if over or spec_of(job).get("suspend"):
        return PodChanges(delete=list(tally.active))
    wanted = _wanted_active(job, tally)
    surplus = len(tally.active) - wanted
    if surplus > 0:
        return PodChanges(delete=deletion_order(tally.active, now=now)[:surplus])
    if is_indexed(job):
        return _indexed(job, tally, wanted, now)
    room = wanted - len(tally.active) - (tally.terminating if waits_for_end(job) else 0)
    return PodChanges(create=[new_pod(job) for _ in range(min(max(room, 0), BURST))])


def index_waits(job: Object, tally: Tally, now: datetime) -> dict[int, float]:
    """With backoffLimitPerIndex each index waits for itself: the seconds left by index."""
    if spec_of(job).get("backoffLimitPerIndex") is None:
        return {}
    over = tally.completed | tally.failed_indexes
    waits = {index: found.wait(now) for index, found in tally.index_failures.items() if index not in over}
    return {index: left for index, left in waits.items() if left > 0}


def new_pod(job: Object, index: int | None = None, failures: IndexFailures = _NO_FAILURES) -> Object:
    """A pod of the Job, for an index where it is indexed."""
    owner = job | {"apiVersion": "batch/v1", "kind": "Job"}
    pod = pod_from_template(owner, spec_of(job).get("template") or {})
    meta = pod["metadata"]
    meta["finalizers"] = [*(meta.get("finalizers") or ()), FINALIZER]
    if index is None:
        return pod
    meta["generateName"] = f"{name_of(job)[:50]}-{index}-"
    meta["annotations"] = meta["annotations"] | {INDEX: str(index)}
    meta["labels"] = meta["labels"] | {INDEX: str(index)}
    if spec_of(job).get("backoffLimitPerIndex") is not None:
        meta["annotations"] |= failures.annotations()
    spec = pod["spec"]
    spec.setdefault("hostname", f"{name_of(job)[:50]}-{index}")
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [_with_index(container) for container in spec[kind]]
    return pod


def plan_conditions(job: Object, result: Outcome | None, tally: Tally, now: datetime) -> list[Object]:
    """The conditions: first the intent, and once no pod runs any more and all are counted, the end."""
    conditions = _suspension(job, now)
    if result is None:
        return conditions
    interim = _SUCCESS_MET if result.kind == "Complete" else _FAILURE_TARGET
    conditions = with_new_verdict(conditions, _condition(interim, "True", result.reason, result.message, now))
    if tally.settled and not tally.active and not tally.terminating:
        conditions = with_new_verdict(conditions, _condition(result.kind, "True", result.reason, result.message, now))
    return conditions


def _decided(job: Object) -> Outcome | None:
    for condition in conditions_of(job):
        if condition.get("status") == "True" and condition.get("type") in (_FAILURE_TARGET, _SUCCESS_MET):
            kind = "Complete" if condition["type"] == _SUCCESS_MET else "Failed"
            return Outcome(kind, str(condition.get("reason") or ""), str(condition.get("message") or ""))
    return None


def _failure(job: Object, tally: Tally, now: datetime) -> Outcome | None:
    spec = spec_of(job)
    limit = spec.get("backoffLimit")
    allowed = DEFAULT_BACKOFF_LIMIT if limit is None else int(limit)
    if (tally.newly_failed and tally.all_failed > allowed) or _restarted_too_often(job, tally, allowed):
        return Outcome("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = deadline_in(job, now)
    if left is not None and left <= 0:
        return Outcome("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    if not is_indexed(job) or spec.get("backoffLimitPerIndex") is None:
        return None
    most = spec.get("maxFailedIndexes")
    if most is not None and len(tally.failed_indexes) > int(most):
        return Outcome(
            "Failed", "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        )
    completions = int(spec.get("completions") or 0)
    if tally.failed_indexes and len(tally.failed_indexes | tally.completed) >= completions:
        return Outcome("Failed", "FailedIndexes", "Job has failed indexes")
    return None


def _success(job: Object, tally: Tally) -> Outcome | None:
    spec = spec_of(job)
    if is_indexed(job):
        rule = success_rule(job, tally.completed)
        if rule is not None:
            return Outcome("Complete", "SuccessPolicy", f"Matched rules at index {rule}")
    completions = spec.get("completions")
    if completions is None:
        done = tally.all_succeeded > 0 and not tally.active
    else:
        done = tally.all_succeeded >= int(completions) and not tally.active
    if not done:
        return None
    return Outcome("Complete", "CompletionsReached", "Reached expected number of succeeded pods")


def _restarted_too_often(job: Object, tally: Tally, allowed: int) -> bool:
    """With restartPolicy OnFailure it is the restarts of containers that count."""
    template = (spec_of(job).get("template") or {}).get("spec") or {}
    if template.get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in tally.active:
        status = pod.get("status") or {}
        for entry in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
            restarts += int(entry.get("restartCount") or 0)
    return restarts > 0 if allowed == 0 else restarts >= allowed


def _wanted_active(job: Object, tally: Tally) -> int:
    spec = spec_of(job)
    parallelism = 1 if spec.get("parallelism") is None else int(spec["parallelism"])
    completions = spec.get("completions")
    if completions is None:
        return len(tally.active) if tally.all_succeeded else parallelism
    left = int(completions) - tally.all_succeeded - len(tally.failed_indexes)
    return max(min(left, parallelism), 0)


def _indexed(job: Object, tally: Tally, wanted: int, now: datetime) -> PodChanges:
    """Fill free indexes that need not wait, from the lowest; a second pod of an index is one too many."""
    held: set[int] = set()
    doubled: list[Object] = []
    for pod in tally.active:
        index = index_of(pod)
        if index is None or index in held or index in tally.completed:
            doubled.append(pod)
        else:
            held.add(index)
    taken = held | tally.completed | tally.failed_indexes | index_waits(job, tally, now).keys()
    completions = int(spec_of(job).get("completions") or 0)
    free = (index for index in range(completions) if index not in taken)
    room = wanted - len(held) - (tally.terminating if waits_for_end(job) else 0)
    chosen = [index for index, _ in zip(free, range(min(max(room, 0), BURST)), strict=False)]
    return PodChanges(
        create=[new_pod(job, index, tally.index_failures.get(index, _NO_FAILURES)) for index in chosen], delete=doubled
    )


def _with_index(container: Object) -> Object:
    environment = container.get("env") or []
    if any(entry.get("name") == "JOB_COMPLETION_INDEX" for entry in environment):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    return container | {"env": [*environment, {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]}


def _suspension(job: Object, now: datetime) -> list[Object]:
    conditions = conditions_of(job)
    suspended = bool(spec_of(job).get("suspend"))
    if suspended:
        return with_new_verdict(conditions, _condition("Suspended", "True", "JobSuspended", "Job suspended", now))
    if condition_is_true(conditions, "Suspended"):
        return with_new_verdict(conditions, _condition("Suspended", "False", "JobResumed", "Job resumed", now))
    return conditions


def _condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    moment = format_time(now)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastProbeTime": moment,
        "lastTransitionTime": moment,
    }
