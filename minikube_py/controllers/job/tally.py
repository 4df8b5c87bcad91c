"""Counting pods exactly once, however often pods and controllers vanish. Pure.

Each pod of a Job carries a finalizer. An ended pod is first listed in ``status.uncountedTerminatedPods``; then its
finalizer is taken off; when that is seen, it moves from the list into the counters (KEP-2307).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from minikube_py.api.meta import is_deleting, metadata, uid_of
from minikube_py.api.types import Object
from minikube_py.controllers.job.backoff import IndexFailures, failures_before, failures_with
from minikube_py.controllers.job.indexes import format_indexes, index_of, parse_indexes
from minikube_py.controllers.job.policy import FAIL_INDEX, FAIL_JOB, IGNORE, Verdict, judge_failure
from minikube_py.controllers.podstate import has_ended, is_active, is_ready, phase_of

FINALIZER = "batch.kubernetes.io/job-tracking"


def is_indexed(job: Object) -> bool:
    return (job.get("spec") or {}).get("completionMode") == "Indexed"


def is_tracked(pod: Object) -> bool:
    """Whether the pod still waits to be counted."""
    return FINALIZER in (metadata(pod).get("finalizers") or ())


def waits_for_end(job: Object) -> bool:
    """podReplacementPolicy Failed: a pod counts as failed only when it has ended, and is replaced only then."""
    spec = job.get("spec") or {}
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


@dataclass(slots=True)
class Tally:
    """Where a Job stands."""

    active: list[Object] = field(default_factory=list)
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    #: UIDs that are listed but whose finalizer may still be on.
    uncounted_succeeded: list[str] = field(default_factory=list)
    uncounted_failed: list[str] = field(default_factory=list)
    #: Ended pods whose finalizer comes off once the status that lists them is written.
    release: list[Object] = field(default_factory=list)
    newly_failed: list[Object] = field(default_factory=list)
    newly_succeeded: list[Object] = field(default_factory=list)
    fail_job: Verdict | None = None
    #: Ended pods that nobody else tells their index's failures of: held until there is a successor that does.
    held: list[Object] = field(default_factory=list)
    #: How often each index has failed, as far as its pods still tell.
    index_failures: dict[int, IndexFailures] = field(default_factory=dict)

    @property
    def ready(self) -> int:
        return sum(1 for pod in self.active if is_ready(pod))

    @property
    def all_succeeded(self) -> int:
        """Successes, those about to be counted included."""
        return self.succeeded + len(self.uncounted_succeeded)

    @property
    def all_failed(self) -> int:
        """Failures, those about to be counted included."""
        return self.failed + len(self.uncounted_failed)

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be counted."""
        return not (self.uncounted_succeeded or self.uncounted_failed)


def take_tally(job: Object, pods: Sequence[Object]) -> Tally:
    """Count: what earlier rounds listed and released, and what has ended since."""
    status = job.get("status") or {}
    listed = status.get("uncountedTerminatedPods") or {}
    completions = int((job.get("spec") or {}).get("completions") or 0)
    tracked = {uid_of(pod) for pod in pods if is_tracked(pod)}
    tally = Tally(
        active=[pod for pod in pods if is_active(pod)],
        terminating=sum(1 for pod in pods if is_deleting(pod) and not has_ended(pod)),
        succeeded=int(status.get("succeeded") or 0),
        failed=int(status.get("failed") or 0),
        completed=parse_indexes(status.get("completedIndexes"), completions),
        failed_indexes=parse_indexes(status.get("failedIndexes"), completions),
    )
    tally.uncounted_succeeded, done = _split(listed.get("succeeded") or (), tracked)
    tally.succeeded += done if not is_indexed(job) else 0
    tally.uncounted_failed, lost = _split(listed.get("failed") or (), tracked)
    tally.failed += lost
    for pod in pods:
        _count_ended(job, pod, tally)
    _note_index_failures(job, pods, tally)
    if is_indexed(job):
        tally.succeeded = len(tally.completed)
        tally.uncounted_succeeded = []
    return tally


def _note_index_failures(job: Object, pods: Sequence[Object], tally: Tally) -> None:
    """A pod that somebody deletes early would take the count of its index with it: the last of each index is held."""
    tellers: dict[int, Object] = {}
    for pod in pods:
        index = index_of(pod)
        if index is None or phase_of(pod) == "Succeeded" or not _is_over(job, pod):
            continue
        found = failures_with(pod, ignored=judge_failure(job, pod).action == IGNORE)
        if index not in tellers or found.all > tally.index_failures[index].all:
            tellers[index], tally.index_failures[index] = pod, found
    if (job.get("spec") or {}).get("backoffLimitPerIndex") is None:
        return
    told = tally.completed | tally.failed_indexes | {index_of(pod) for pod in tally.active}
    names = {uid_of(pod) for index, pod in tellers.items() if index not in told}
    tally.held = [pod for pod in tally.release if uid_of(pod) in names]
    tally.release = [pod for pod in tally.release if uid_of(pod) not in names]


def status_counts(job: Object, tally: Tally) -> Object:
    """The counting part of the status."""
    uncounted: Object = {}
    if tally.uncounted_succeeded:
        uncounted["succeeded"] = tally.uncounted_succeeded
    if tally.uncounted_failed:
        uncounted["failed"] = tally.uncounted_failed
    counts: Object = {
        "active": len(tally.active),
        "ready": tally.ready,
        "terminating": tally.terminating,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "uncountedTerminatedPods": uncounted,
    }
    if is_indexed(job):
        counts["completedIndexes"] = format_indexes(tally.completed)
        if (job.get("spec") or {}).get("backoffLimitPerIndex") is not None:
            counts["failedIndexes"] = format_indexes(tally.failed_indexes)
    return counts


def _split(uids: Iterable[str], tracked: set[str]) -> tuple[list[str], int]:
    """Those that are still tracked, and how many are not and count from now on."""
    held = [uid for uid in uids if uid in tracked]
    return held, len(list(uids)) - len(held)


def _count_ended(job: Object, pod: Object, tally: Tally) -> None:
    uid = uid_of(pod)
    if not is_tracked(pod) or not _is_over(job, pod):
        return
    tally.release.append(pod)
    if uid in tally.uncounted_succeeded or uid in tally.uncounted_failed:
        return
    if phase_of(pod) == "Succeeded":
        index = index_of(pod)
        if is_indexed(job):
            if index is not None:
                tally.completed.add(index)
        else:
            tally.uncounted_succeeded.append(uid)
        tally.newly_succeeded.append(pod)
        return
    verdict = judge_failure(job, pod)
    if verdict.action == IGNORE:
        return
    if verdict.action == FAIL_JOB and tally.fail_job is None:
        tally.fail_job = verdict
    tally.uncounted_failed.append(uid)
    tally.newly_failed.append(pod)
    _fail_index(job, pod, tally, at_once=verdict.action == FAIL_INDEX)


def _fail_index(job: Object, pod: Object, tally: Tally, *, at_once: bool) -> None:
    limit, index = (job.get("spec") or {}).get("backoffLimitPerIndex"), index_of(pod)
    if limit is None or index is None:
        return
    if at_once or failures_before(pod).counted >= int(limit):
        tally.failed_indexes.add(index)


def _is_over(job: Object, pod: Object) -> bool:
    """A pod that is being deleted counts as failed at once, unless the Job wants to see its end."""
    return has_ended(pod) or (is_deleting(pod) and not waits_for_end(job))
