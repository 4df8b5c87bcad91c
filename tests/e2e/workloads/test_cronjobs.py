"""CronJobs under the cluster's clock: hours pass at once, and what they bring is real."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.meta import annotations_of, condition_is_true, labels_of, name_of
from minikube_py.api.resources import CRONJOBS, JOBS
from minikube_py.api.types import Object
from tests.support.field import Field
from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def objects() -> list[dict[str, Any]]:
    container = {"name": "c", "image": "minik.local/host", "command": ["bash", "-c", "echo the hour has come"]}
    pod = {"metadata": {"labels": {"by": "hourly"}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    job = {"metadata": {"labels": {"by": "hourly"}}, "spec": {"template": pod}}
    spec = {"schedule": "0 * * * *", "timeZone": "Asia/Kolkata", "successfulJobsHistoryLimit": 1, "jobTemplate": job}
    return [{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "hourly"}, "spec": spec}]


async def _finished(field: Field, but: str = "") -> Object | None:
    jobs = (await field.client.list(JOBS, field.namespace, label_selector="by=hourly")).items
    done = (each for each in jobs if condition_is_true((each.get("status") or {}).get("conditions"), "Complete"))
    return next((each for each in done if name_of(each) != but), None)


async def test_the_hours_bring_their_jobs_and_take_the_old_ones_away(field: Field, cluster: MinikCluster) -> None:
    async def first() -> Object | None:
        return await _finished(field)

    cluster.minik("clock", "advance", "1h", "--name", cluster.name)
    job = await field.until(first, what="a Job after an hour")
    assert annotations_of(job)[SCHEDULED_AT].endswith(":00:00+05:30")
    # Others may have put this clock forward before: such hours bring a Job of their own.
    (pod,) = await field.pods(f"batch.kubernetes.io/job-name={name_of(job)}")
    assert labels_of(pod)["by"] == "hourly"
    assert await field.log(name_of(pod)) == "the hour has come\n"

    async def second() -> Object | None:
        return await _finished(field, but=name_of(job))

    cluster.minik("clock", "advance", "1h", "--name", cluster.name)
    assert await field.until(second, what="the next hour's Job")
    await field.until_gone(JOBS, name_of(job))
    assert (await field.get(CRONJOBS, "hourly"))["status"]["lastSuccessfulTime"]
