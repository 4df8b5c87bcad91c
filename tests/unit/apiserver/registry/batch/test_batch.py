"""Jobs and CronJobs."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.batch.schedule import ScheduleError, check_schedule
from minikube_py.api.resources import CRONJOBS, JOBS

Object = dict[str, Any]


def _template(**pod: Any) -> Object:
    return {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x:1"}]} | pod}


def _job(**spec: Any) -> Object:
    return {"metadata": {"name": "j"}, "spec": {"template": _template()} | spec}


def _cron_job(name: str = "c", **spec: Any) -> Object:
    job = {"spec": {"template": _template()}}
    return {"metadata": {"name": name}, "spec": {"schedule": "*/5 * * * *", "jobTemplate": job} | spec}


def test_a_job_is_defaulted_and_selects_by_its_uid(registry: Any) -> None:
    job = registry.create(JOBS, _job())
    uid, spec = job["metadata"]["uid"], job["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid,
        "job-name": "j",
    }
    assert {key: value for key, value in spec.items() if key not in ("selector", "template")} == {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": 1,
        "manualSelector": False,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"template": _template(restartPolicy="Always")}, [
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ]),
        ({"parallelism": -1}, ["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"]),
        ({"backoffLimit": -1, "activeDeadlineSeconds": -2, "ttlSecondsAfterFinished": -3}, [
            "spec.activeDeadlineSeconds: Invalid value: -2: must be greater than or equal to 0",
            "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0",
            "spec.ttlSecondsAfterFinished: Invalid value: -3: must be greater than or equal to 0",
        ]),
        ({"completionMode": "Indexed", "parallelism": 1}, [
            "spec.completions: Required value: when completion mode is Indexed",
        ]),
    ],
)  # fmt: skip
def test_what_jobs_refuse(registry: Any, spec: Object, expected: list[str]) -> None:
    assert registry.refused(JOBS, _job(**spec)) == expected


def test_a_job_keeps_its_template_and_completions(registry: Any) -> None:
    job = registry.create(JOBS, _job())
    template = job["spec"]["template"] | {"spec": job["spec"]["template"]["spec"] | {"restartPolicy": "OnFailure"}}
    wanted = job | {"spec": job["spec"] | {"completions": 3, "template": template}}
    refused = registry.update_refused(JOBS, wanted, job)
    assert refused[0] == "spec.completions: Invalid value: 3: field is immutable"
    assert refused[1].startswith("spec.template: Invalid value: ") and refused[1].endswith(": field is immutable")


def test_parallelism_and_suspension_change(registry: Any) -> None:
    job = registry.create(JOBS, _job())
    changed = registry.update(JOBS, job | {"spec": job["spec"] | {"parallelism": 4, "suspend": True}}, job)
    assert changed["metadata"]["generation"] == 2


def test_job_rows(registry: Any) -> None:
    job = registry.create(JOBS, _job())
    assert registry.cells(JOBS, job) | {"Selector": ""} == {
        "Name": "j", "Status": "Running", "Completions": "0/1", "Duration": "", "Age": "0s",
        "Containers": "c", "Images": "x:1", "Selector": "",
    }  # fmt: skip
    job["status"] = {
        "succeeded": 1,
        "startTime": "2026-01-02T03:00:00Z",
        "completionTime": "2026-01-02T03:01:10Z",
        "conditions": [{"type": "Complete", "status": "True"}],
    }
    row = registry.cells(JOBS, job)
    assert (row["Status"], row["Completions"], row["Duration"]) == ("Complete", "1/1", "70s")


def test_cron_jobs_are_defaulted(registry: Any) -> None:
    spec = registry.create(CRONJOBS, _cron_job())["spec"]
    assert {key: value for key, value in spec.items() if key != "jobTemplate"} == {
        "schedule": "*/5 * * * *",
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }
    assert "completions" not in spec["jobTemplate"]["spec"]


@pytest.mark.parametrize(
    ("cron_job", "expected"),
    [
        (_cron_job(schedule=""), ["spec.schedule: Required value"]),
        (_cron_job(schedule="* * * *"), [
            'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]',
        ]),
        (_cron_job(schedule="TZ=UTC 0 * * * *"), [
            'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": '
            "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        ]),
        (_cron_job(timeZone="Mars/Base"), ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']),
        (_cron_job(concurrencyPolicy="Never"), [
            'spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"',
        ]),
        (_cron_job(name="x" * 53), [
            f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters',
        ]),
    ],
)  # fmt: skip
def test_what_cron_jobs_refuse(registry: Any, cron_job: Object, expected: list[str]) -> None:
    assert registry.refused(CRONJOBS, cron_job) == expected


def test_cron_job_rows(registry: Any) -> None:
    cron_job = registry.create(CRONJOBS, _cron_job())
    row = registry.cells(CRONJOBS, cron_job)
    assert [row[name] for name in ("Schedule", "Timezone", "Suspend", "Active", "Last Schedule")] == [
        "*/5 * * * *",
        "<none>",
        "False",
        0,
        "<none>",
    ]


@pytest.mark.parametrize("schedule", ["@hourly", "@every 1h30m", "0 0 1 JAN mon-fri", "*/15 1,2 ? * *", "5/10 * * * 0"])
def test_schedules(schedule: str) -> None:
    check_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("60 * * * *", r"end of range \(60\) above maximum \(59\): 60"),
        ("* * 0 * *", r"beginning of range \(0\) below minimum \(1\): 0"),
        ("5-1 * * * *", r"beginning of range \(5\) beyond end of range \(1\): 5-1"),
        ("*/0 * * * *", r"step of range should be a positive number: \*/0"),
        ("@never", "unrecognized descriptor: @never"),
        ("a * * * *", "failed to parse int from a"),
    ],
)
def test_texts_that_are_no_schedules(schedule: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check_schedule(schedule)
