"""Jobs: going on, done, failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minikube_py.api.meta import format_time
from minikube_py.api.types import Object
from minikube_py.controllers.job.indexes import format_indexes, parse_indexes
from minikube_py.controllers.job.plan import Outcome, deadline_in, outcome, plan_conditions, plan_pods
from minikube_py.controllers.job.policy import judge_failure, success_rule
from minikube_py.controllers.job.tally import Tally
from minikube_py.controllers.job.ttl import expires_at

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(status: Object | None = None, **spec: Any) -> Object:
    template = {"spec": {"containers": [{"name": "c"}], "restartPolicy": "Never"}}
    return {
        "metadata": {"name": "j", "namespace": "default", "uid": "j"},
        "spec": {"template": template} | spec,
        "status": status or {},
    }


def running(name: str, index: int | None = None) -> Object:
    notes = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    return {"metadata": {"name": name, "uid": name, "annotations": notes}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("spec", "tally", "count"),
    [
        ({"completions": 5, "parallelism": 2}, Tally(), 2),
        ({"completions": 5, "parallelism": 2}, Tally(succeeded=4), 1),
        ({"completions": 5, "parallelism": 2}, Tally(active=[running("a")]), 1),
        ({"completions": 5, "parallelism": 2, "podReplacementPolicy": "Failed"}, Tally(terminating=1), 1),
        ({"parallelism": 3}, Tally(), 3),
        ({"parallelism": 3}, Tally(active=[running("a")], succeeded=1), 0),
        ({"completions": 1, "suspend": True}, Tally(), 0),
    ],
)
def test_pods_to_make(spec: Object, tally: Tally, count: int) -> None:
    assert len(plan_pods(job(**spec), tally, NOW, over=False).create) == count


def test_indexed_pods_fill_the_gaps() -> None:
    tally = Tally(active=[running("a", 1), running("b", 1)], completed={0})
    tally.succeeded = 1
    changes = plan_pods(job(completions=5, parallelism=4, completionMode="Indexed"), tally, NOW, over=False)
    made = [pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in changes.create]
    assert made == ["2", "3", "4"]
    assert [pod["metadata"]["name"] for pod in changes.delete] == ["b"]
    first = changes.create[0]
    assert first["spec"]["hostname"] == "j-2"
    assert first["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


def test_completion_needs_the_count_and_no_active_pod() -> None:
    assert outcome(job(completions=2), Tally(succeeded=1), NOW) is None
    assert outcome(job(completions=2), Tally(succeeded=2, active=[running("a")]), NOW) is None
    done = outcome(job(completions=2), Tally(succeeded=2), NOW)
    assert done is not None and (done.kind, done.reason) == ("Complete", "CompletionsReached")


def test_the_backoff_limit() -> None:
    within = Tally(failed=1, newly_failed=[running("a")], uncounted_failed=["a"])
    assert outcome(job(completions=1, backoffLimit=2), within, NOW) is None
    beyond = Tally(failed=2, newly_failed=[running("a")], uncounted_failed=["a"])
    failed = outcome(job(completions=1, backoffLimit=2), beyond, NOW)
    assert failed is not None and failed.reason == "BackoffLimitExceeded"


def test_the_deadline() -> None:
    started = {"startTime": format_time(NOW)}
    limited = job(started, completions=1, activeDeadlineSeconds=30)
    assert deadline_in(limited, NOW + timedelta(seconds=10)) == 20
    late = outcome(limited, Tally(active=[running("a")]), NOW + timedelta(seconds=30))
    assert late is not None and late.reason == "DeadlineExceeded"


def test_the_end_is_announced_before_it_comes() -> None:
    verdict = Outcome("Failed", "BackoffLimitExceeded", "m")
    early = plan_conditions(job(), verdict, Tally(terminating=1), NOW)
    assert [entry["type"] for entry in early] == ["FailureTarget"]
    assert outcome(job({"conditions": early}), Tally(succeeded=5), NOW) == verdict
    final = plan_conditions(job({"conditions": early}), verdict, Tally(), NOW)
    assert [entry["type"] for entry in final] == ["FailureTarget", "Failed"]


def exited(code: int, name: str = "c") -> Object:
    state = {"terminated": {"exitCode": code}}
    return {
        "metadata": {"name": "p", "namespace": "default"},
        "status": {
            "containerStatuses": [{"name": name, "state": state}],
            "conditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
    }


@pytest.mark.parametrize(
    ("rule", "code", "action"),
    [
        ({"onExitCodes": {"operator": "In", "values": [42]}}, 42, "FailJob"),
        ({"onExitCodes": {"operator": "In", "values": [42]}}, 1, "Count"),
        ({"onExitCodes": {"operator": "NotIn", "values": [42]}}, 1, "FailJob"),
        ({"onExitCodes": {"operator": "In", "values": [42], "containerName": "other"}}, 42, "Count"),
        ({"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}, 1, "FailJob"),
    ],
)
def test_failure_policies(rule: Object, code: int, action: str) -> None:
    policy = {"rules": [{"action": "FailJob"} | rule]}
    assert judge_failure(job(podFailurePolicy=policy), exited(code)).action == action


def test_the_words_of_a_failure_policy() -> None:
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
    assert judge_failure(job(podFailurePolicy=policy), exited(42)).message == (
        "Container c for pod default/p failed with exit code 42 matching FailJob rule at index 0"
    )


def test_success_policies() -> None:
    rules = {"rules": [{"succeededIndexes": "0-1"}, {"succeededCount": 3}]}
    policy = job(completions=5, completionMode="Indexed", successPolicy=rules)
    assert success_rule(policy, {0, 2}) is None
    assert success_rule(policy, {0, 1}) == 0
    assert success_rule(policy, {1, 2, 3}) == 1


def test_index_sets() -> None:
    assert format_indexes([7, 1, 3, 4, 5]) == "1,3-5,7"
    assert format_indexes([0, 1]) == "0,1"
    assert parse_indexes("0,1,3-5,x,9", 5) == {0, 1, 3, 4}


def test_time_to_live() -> None:
    ended = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": format_time(NOW)}]}
    assert expires_at(job(ended, ttlSecondsAfterFinished=60)) == NOW + timedelta(seconds=60)
    assert expires_at(job(ended)) is None
    assert expires_at(job(ttlSecondsAfterFinished=60)) is None
