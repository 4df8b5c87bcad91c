"""CronJobs."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Any

from apiserver.registry.batch.job import default_job_template, job_warnings
from apiserver.registry.batch.jobspec import validate_job_spec
from apiserver.registry.batch.schedule import ScheduleError, check_schedule
from apiserver.registry.checks import Errors, nonnegative, require_one_of
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import (
    AGE,
    CONTAINERS,
    IMAGES,
    NAME,
    NONE,
    SELECTOR,
    Column,
    Table,
    age,
    container_cells,
    format_selector,
    since,
)
from apiserver.registry.workload import pod_name_warnings
from minikube_py.api.fields import invalid, not_supported, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_LONGEST_NAME = 52
_POLICIES = ("Allow", "Forbid", "Replace")
_DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("concurrencyPolicy", "Allow"),
    ("suspend", False),
    ("successfulJobsHistoryLimit", 3),
    ("failedJobsHistoryLimit", 1),
)
_ZONE_WARNING = (
    "CRON_TZ or TZ used in spec.schedule is not officially supported, "
    "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)


def _default(cron_job: Object) -> None:
    spec = cron_job.setdefault("spec", {})
    for name, value in _DEFAULTS:
        if spec.get(name) in (None, ""):
            spec[name] = value
    default_job_template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _validate(cron_job: Object, errors: Errors) -> None:
    spec = cron_job["spec"]
    nonnegative(spec, "startingDeadlineSeconds", "spec", errors)
    require_one_of(spec.get("concurrencyPolicy"), _POLICIES, "spec.concurrencyPolicy", errors, listed=_POLICIES)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    validate_job_spec(job, "spec.jobTemplate.spec", errors)
    if job.get("selector") is not None:
        detail = "`selector` will be auto-generated"
        errors.append(invalid("spec.jobTemplate.spec.selector", job["selector"], detail))
    if job.get("manualSelector"):
        errors.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    nonnegative(spec, "successfulJobsHistoryLimit", "spec", errors)
    nonnegative(spec, "failedJobsHistoryLimit", "spec", errors)


def _validate_schedule(spec: dict[str, Any], errors: Errors, *, zone_inside: bool) -> None:
    schedule, path = spec.get("schedule") or "", "spec.schedule"
    if not schedule:
        errors.append(required(path))
        return
    try:
        check_schedule(schedule)
    except ScheduleError as error:
        errors.append(invalid(path, schedule, str(error)))
    if "TZ" not in schedule:
        return
    if zone_inside and spec.get("timeZone") is not None:
        detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        errors.append(invalid(path, schedule, detail))
    elif not zone_inside:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(invalid(path, schedule, detail))


def _validate_zone(zone: str | None, errors: Errors) -> None:
    path = "spec.timeZone"
    if zone is None:
        return
    if not zone:
        errors.append(invalid(path, zone, "timeZone must be nil or non-empty string"))
    elif zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid(path, zone, detail))
    else:
        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            errors.append(invalid(path, zone, f"unknown time zone {zone}"))


def _validate_new(cron_job: Object, errors: Errors) -> None:
    spec = cron_job["spec"]
    _validate_schedule(spec, errors, zone_inside=False)
    _validate_zone(spec.get("timeZone"), errors)
    if len(name_of(cron_job)) > _LONGEST_NAME:
        errors.append(invalid("metadata.name", name_of(cron_job), f"must be no more than {_LONGEST_NAME} characters"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    spec, before = new["spec"], old["spec"]
    _validate_schedule(spec, errors, zone_inside="TZ" in (before.get("schedule") or ""))
    if spec.get("timeZone") != before.get("timeZone"):
        _validate_zone(spec.get("timeZone"), errors)


def _warn(cron_job: Object, old: Object | None) -> list[str]:
    spec = cron_job["spec"]
    warnings = pod_name_warnings(cron_job) if old is None else []
    if "TZ" in (spec.get("schedule") or ""):
        warnings.append(_ZONE_WARNING)
    return warnings + job_warnings((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")


def _cells(cron_job: Object, now: datetime) -> list[Any]:
    spec, status = cron_job.get("spec") or {}, cron_job.get("status") or {}
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    suspend = spec.get("suspend")
    last = status.get("lastScheduleTime")
    return [
        name_of(cron_job),
        spec.get("schedule") or "",
        spec.get("timeZone") or NONE,
        "<unset>" if suspend is None else str(suspend),
        len(status.get("active") or ()),
        since(last, now) if last else NONE,
        age(cron_job, now),
        *container_cells(job.get("template")),
        format_selector(job.get("selector")),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Schedule", description="When jobs start, in Cron form."),
        Column("Timezone", description="The time zone of the schedule."),
        Column("Suspend", "boolean", "Whether no new job is started."),
        Column("Active", "integer", "Jobs that are running."),
        Column("Last Schedule", description="How long ago a job was last started."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """CronJobs."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        generation_fields=("spec",),
        validate=_validate,
        validate_new=_validate_new,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status)},
        table=_TABLE,
        warner=_warn,
    )
