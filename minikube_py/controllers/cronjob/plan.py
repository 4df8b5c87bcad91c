"""What a CronJob does now: start, wait, replace, skip. Pure.

Semantics, reasons and messages: kubernetes/kubernetes pkg/controller/cronjob (``cronjob_controllerv2.go``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from minikube_py.api.meta import (
    condition_is_true,
    metadata,
    name_of,
    namespace_of,
    owner_reference,
    parse_time,
    uid_of,
)
from minikube_py.api.types import Object
from minikube_py.controllers.cronjob.schedule import Schedule, zone_of

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
#: More missed starts than this are reported as a clock gone wrong rather than counted.
_TOO_MANY = 100
Event = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Due:
    """The latest start that is due, if one is, and how many were missed before it."""

    at: datetime | None
    missed: int = 0


@dataclass(slots=True)
class Step:
    """One round: jobs to delete and to make, events to record, when to look again."""

    create: Object | None = None
    scheduled: datetime | None = None
    delete: list[Object] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    again_in: float | None = None


def spec_of(cron: Object) -> Object:
    return cron.get("spec") or {}


def is_finished(job: Object) -> str | None:
    """``Complete`` or ``Failed`` for a Job that is over."""
    conditions = (job.get("status") or {}).get("conditions")
    return next((kind for kind in ("Complete", "Failed") if condition_is_true(conditions, kind)), None)


def last_run(cron: Object) -> datetime:
    """From when starts are looked for: the last one, else the creation."""
    text = (cron.get("status") or {}).get("lastScheduleTime") or metadata(cron)["creationTimestamp"]
    return parse_time(text)


def due_start(cron: Object, schedule: Schedule, now: datetime) -> Due:
    """The latest scheduled time that has come since the last run, within startingDeadlineSeconds."""
    since = last_run(cron)
    limit = spec_of(cron).get("startingDeadlineSeconds")
    if limit is not None:
        since = max(since, now - timedelta(seconds=int(limit)))
    latest: datetime | None = None
    count = 0
    moment = schedule.next_after(since)
    while moment is not None and moment <= now:
        latest, count = moment, count + 1
        if count > _TOO_MANY:
            latest = _latest(schedule, moment, now)
            break
        moment = schedule.next_after(moment)
    return Due(latest, max(count - 1, 0))


def plan_step(cron: Object, schedule: Schedule, active: Sequence[Object], now: datetime) -> Step:
    """What to do now, given the Jobs of this CronJob that still run."""
    step = Step(again_in=_until_next(schedule, now))
    if spec_of(cron).get("suspend") or metadata(cron).get("deletionTimestamp"):
        step.again_in = None
        return step
    due = due_start(cron, schedule, now)
    if due.missed > _TOO_MANY:
        step.events.append(_too_many(due.missed))
    if due.at is None:
        return step
    limit = spec_of(cron).get("startingDeadlineSeconds")
    if limit is not None and due.at + timedelta(seconds=int(limit)) < now:
        step.events.append(("Warning", "MissSchedule", f"Missed scheduled time to start a job: {_rfc1123(due.at)}"))
        return step
    if _already_started(cron, due.at):
        return step
    policy = spec_of(cron).get("concurrencyPolicy") or "Allow"
    if active and policy == "Forbid":
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        step.events.append(("Normal", "JobAlreadyActive", message))
        return step
    step.delete = list(active) if policy == "Replace" else []
    step.create, step.scheduled = new_job(cron, due.at), due.at
    return step


def new_job(cron: Object, scheduled: datetime) -> Object:
    """The Job for one scheduled time; its name tells the minute, so that a start happens once."""
    template = spec_of(cron).get("jobTemplate") or {}
    meta = template.get("metadata") or {}
    stamp = scheduled.astimezone(zone_of(spec_of(cron).get("timeZone"))).isoformat().replace("+00:00", "Z")
    owner = cron | {"apiVersion": "batch/v1", "kind": "CronJob"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name_of(cron)[:52]}-{int(scheduled.timestamp()) // 60}",
            "namespace": namespace_of(cron),
            "labels": dict(meta.get("labels") or {}),
            "annotations": (meta.get("annotations") or {}) | {SCHEDULED_AT: stamp},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template.get("spec") or {},
    }


def outdated(cron: Object, jobs: Sequence[Object]) -> list[Object]:
    """Finished Jobs beyond the history limits, the oldest first."""
    surplus: list[Object] = []
    for kind, name, default in (("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)):
        value = spec_of(cron).get(name)
        limit = default if value is None else int(value)
        finished = sorted((job for job in jobs if is_finished(job) == kind), key=_started)
        surplus += finished[: max(len(finished) - limit, 0)]
    return surplus


def active_references(jobs: Sequence[Object]) -> list[Object]:
    """The status' list of running Jobs."""
    return [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name_of(job),
            "namespace": namespace_of(job),
            "uid": uid_of(job),
            "resourceVersion": metadata(job).get("resourceVersion"),
        }
        for job in sorted(jobs, key=_started)
    ]


def missing(cron: Object, jobs: Sequence[Object]) -> list[str]:
    """The names of Jobs that the status lists as running and that are there no more."""
    there = {uid_of(job) for job in jobs}
    active = (cron.get("status") or {}).get("active") or ()
    return [str(entry.get("name")) for entry in active if entry.get("uid") not in there]


def last_success(cron: Object, jobs: Sequence[Object]) -> str | None:
    """When a Job of this CronJob last completed."""
    done = [job.get("status") or {} for job in jobs if is_finished(job) == "Complete"]
    times = [str(status.get("completionTime") or "") for status in done]
    known = (cron.get("status") or {}).get("lastSuccessfulTime") or ""
    return max([*times, known], default="") or None


def _already_started(cron: Object, at: datetime) -> bool:
    text = (cron.get("status") or {}).get("lastScheduleTime")
    return bool(text) and parse_time(str(text)) >= at


def _latest(schedule: Schedule, moment: datetime, now: datetime) -> datetime:
    """The latest start before ``now`` after too many to count: looked for backwards in growing spans."""
    span = timedelta(minutes=1)
    while now - span > moment:
        found = schedule.next_after(now - span)
        if found is not None and found <= now:
            following = schedule.next_after(found)
            while following is not None and following <= now:
                found, following = following, schedule.next_after(following)
            return found
        span *= 2
    return moment


def _until_next(schedule: Schedule, now: datetime) -> float | None:
    following = schedule.next_after(now)
    return None if following is None else (following - now).total_seconds() + 0.1


def _too_many(missed: int) -> Event:
    advice = "Set or decrease .spec.startingDeadlineSeconds or check clock skew"
    message = f"too many missed start times: {missed}. {advice}"
    return ("Warning", "TooManyMissedTimes", message)


def _started(job: Object) -> str:
    return str((job.get("status") or {}).get("startTime") or metadata(job).get("creationTimestamp") or "")


def _rfc1123(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
