"""Waiting after failures, for a Job and for each of its indexes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minikube_py.api.meta import format_time
from minikube_py.api.types import Object
from minikube_py.controllers.job.backoff import IndexFailures, Streak, ended_at, failures_with, seconds_left
from minikube_py.controllers.job.plan import index_waits, new_pod, plan_pods
from minikube_py.controllers.job.tally import Tally, take_tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INDEX = "batch.kubernetes.io/job-completion-index"
COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


def job(**spec: Any) -> Object:
    template = {"spec": {"containers": [{"name": "c"}], "restartPolicy": "Never"}}
    full = {"template": template, "completionMode": "Indexed", "completions": 3, "parallelism": 3, **spec}
    return {"metadata": {"name": "j", "namespace": "default", "uid": "j"}, "spec": full}


def failed(index: int, seconds_ago: float, count: int = 0, code: int = 1) -> Object:
    ended = {"exitCode": code, "finishedAt": format_time(NOW - timedelta(seconds=seconds_ago))}
    return {
        "metadata": {"name": f"j-{index}", "uid": f"{index}", "annotations": {INDEX: str(index), COUNT: str(count)}},
        "status": {"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": ended}}]},
    }


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (100, 600)])
def test_delays_double_up_to_ten_minutes(failures: int, seconds: float) -> None:
    assert seconds_left(failures, NOW, NOW) == seconds
    assert Streak(failures, NOW).wait(NOW) == seconds


def test_each_index_waits_for_itself() -> None:
    limited = job(backoffLimitPerIndex=3)
    tally = take_tally(limited, [failed(0, 4), failed(1, 4, count=1), failed(2, 60)])
    assert index_waits(limited, tally, NOW) == {0: 6.0, 1: 16.0}
    (again,) = plan_pods(limited, tally, NOW, over=False).create
    assert again["metadata"]["annotations"][INDEX] == "2"
    later = plan_pods(limited, tally, NOW + timedelta(seconds=6), over=False).create
    assert [pod["metadata"]["annotations"][COUNT] for pod in later] == ["1", "1"]


def test_without_a_limit_per_index_the_job_waits_as_a_whole() -> None:
    assert index_waits(job(), take_tally(job(), [failed(0, 4)]), NOW) == {}
    assert index_waits(job(backoffLimitPerIndex=1), Tally(), NOW) == {}


def test_failures_that_are_ignored_make_wait_but_do_not_count() -> None:
    rule = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [42]}}
    lenient = job(backoffLimitPerIndex=1, podFailurePolicy={"rules": [rule]})
    tally = take_tally(lenient, [failed(0, 4, code=42)])
    assert tally.index_failures[0] == IndexFailures(0, 1, NOW - timedelta(seconds=4))
    assert index_waits(lenient, tally, NOW) == {0: 6.0}
    notes = new_pod(lenient, 0, tally.index_failures[0])["metadata"]["annotations"]
    assert (notes[COUNT], notes[IGNORED]) == ("0", "1")


def test_when_a_pod_ended() -> None:
    moment = format_time(NOW)
    unready = {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": moment}]}
    deleted = {"deletionTimestamp": moment, "deletionGracePeriodSeconds": 30}
    assert ended_at({"metadata": {}, "status": unready}) == NOW
    assert ended_at({"metadata": deleted}) == NOW - timedelta(seconds=30)
    assert ended_at({"metadata": {}}) is None
    assert failures_with({"metadata": {}}, ignored=False).wait(NOW) == 0
