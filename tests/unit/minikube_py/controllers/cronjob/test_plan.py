"""When CronJobs start, wait, replace, skip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from minikube_py.api.meta import format_time, name_of, uid_of
from minikube_py.api.types import Object
from minikube_py.controllers.cronjob.plan import due_start, missing, outdated, plan_step
from minikube_py.controllers.cronjob.schedule import parse_schedule

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOURLY = parse_schedule("0 * * * *")


def cron(last: datetime | None = None, **spec: Any) -> Object:
    status = {"lastScheduleTime": format_time(last)} if last else {}
    meta = {"name": "c", "namespace": "default", "uid": "u", "creationTimestamp": format_time(NOON)}
    return {"metadata": meta, "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {}}} | spec, "status": status}


def job(name: str, kind: str = "", start: str = "") -> Object:
    conditions = [{"type": kind, "status": "True"}] if kind else []
    return {"metadata": {"name": name, "uid": name}, "status": {"conditions": conditions, "startTime": start}}


def test_nothing_before_its_time() -> None:
    step = plan_step(cron(), HOURLY, [], NOON + timedelta(minutes=30))
    assert step.create is None
    assert step.again_in is not None and 1800 <= step.again_in <= 1801


def test_a_start_is_named_after_its_minute() -> None:
    now = NOON + timedelta(hours=1, seconds=2)
    step = plan_step(cron(), HOURLY, [], now)
    assert step.create is not None
    assert step.create["metadata"]["name"] == f"c-{int((NOON + timedelta(hours=1)).timestamp()) // 60}"
    stamp = step.create["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp == "2026-01-01T13:00:00Z"
    again = plan_step(cron(NOON + timedelta(hours=1)), HOURLY, [], now)
    assert again.create is None


def test_missed_starts_collapse_into_the_latest() -> None:
    now = NOON + timedelta(hours=5, minutes=1)
    due = due_start(cron(), HOURLY, now)
    assert (due.at, due.missed) == (NOON + timedelta(hours=5), 4)


def test_a_start_that_is_too_late_is_skipped() -> None:
    now = NOON + timedelta(hours=1, minutes=5)
    assert plan_step(cron(startingDeadlineSeconds=60), HOURLY, [], now).create is None
    assert plan_step(cron(startingDeadlineSeconds=600), HOURLY, [], now).create is not None


def test_hundreds_of_missed_starts_are_reported_not_counted() -> None:
    now = NOON + timedelta(days=30, minutes=1)
    due = due_start(cron(), HOURLY, now)
    assert due.at == NOON + timedelta(days=30)
    assert due.missed >= 100


def test_concurrency() -> None:
    now = NOON + timedelta(hours=1)
    active = [job("running")]
    assert plan_step(cron(concurrencyPolicy="Allow"), HOURLY, active, now).create is not None
    forbidden = plan_step(cron(concurrencyPolicy="Forbid"), HOURLY, active, now)
    assert forbidden.create is None
    assert forbidden.events[0][1] == "JobAlreadyActive"
    replaced = plan_step(cron(concurrencyPolicy="Replace"), HOURLY, active, now)
    assert replaced.delete == active and replaced.create is not None


def test_suspended() -> None:
    step = plan_step(cron(suspend=True), HOURLY, [], NOON + timedelta(hours=1))
    assert step.create is None and step.again_in is None


def test_history_limits() -> None:
    jobs = [job(f"s{n}", "Complete", f"2026-01-01T0{n}:00:00Z") for n in range(5)]
    jobs += [job(f"f{n}", "Failed", f"2026-01-01T0{n}:00:00Z") for n in range(2)]
    assert [entry["metadata"]["name"] for entry in outdated(cron(), [*jobs, job("active")])] == ["s0", "s1", "f0"]


def test_running_jobs_that_went_missing() -> None:
    there, gone = job("there"), job("gone")
    listed = cron()
    listed["status"] = {"active": [{"name": name_of(each), "uid": uid_of(each)} for each in (there, gone)]}
    assert missing(listed, [there]) == ["gone"]
    assert missing(cron(), [there]) == []
