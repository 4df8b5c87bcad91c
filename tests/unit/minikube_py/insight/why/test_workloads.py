"""Planted faults of workloads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minikube_py.insight.why.workloads import why_workload
from tests.support.planted import Planted, condition

Plant = Callable[[Planted], object]


def planted() -> Planted:
    """The Deployment's pods belong to its ReplicaSet."""
    fault = Planted()
    fault.deployment["metadata"]["uid"] = "d"
    replica_set = {
        "kind": "ReplicaSet",
        "metadata": {"namespace": "default", "name": "web-1", "uid": "r", "ownerReferences": [{"uid": "d"}]},
        "spec": {},
        "status": {"replicas": 2},
    }
    fault.workloads.append(replica_set)
    for pod in fault.pods:
        pod["metadata"]["ownerReferences"] = [{"uid": "r"}]
    return fault


def _quota(fault: Planted) -> None:
    fault.workloads[1]["status"] = {"conditions": [condition("ReplicaFailure", message="exceeded quota: tight")]}


def _crash(fault: Planted) -> None:
    fault.unready(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 3}})


def _stuck(fault: Planted) -> None:
    told = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="has timed out progressing")
    fault.deployment["status"] = {"replicas": 2, "conditions": [told]}


@pytest.mark.parametrize(
    ("code", "plant", "words"),
    [
        ("WorkloadMissing", lambda fault: fault.deployment["metadata"].update(name="webb"), "did you mean webb"),
        ("WorkloadTerminating", lambda fault: fault.deployment["metadata"].update(deletionTimestamp="x"), "deleted"),
        ("Suspended", lambda fault: fault.deployment["spec"].update(suspend=True), "suspended"),
        ("QuotaExceeded", _quota, "tight"),
        ("CrashLooping", _crash, "2 of 2 pods not ready: container c of pod web-0"),
        ("WorkloadStuck", _stuck, "timed out"),
    ],
)
def test_a_workloads_fault_is_named(code: str, plant: Plant, words: str) -> None:
    fault = planted()
    plant(fault)
    diagnosis = why_workload(fault.picture(), "Deployment", "default", "web")
    assert [each.code for each in diagnosis.causes[:1]] == [code]
    assert words in f"{diagnosis.causes[0].cause} {diagnosis.causes[0].fix}"


def test_a_failed_job_says_why() -> None:
    fault = Planted()
    told = condition("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")
    job = {"kind": "Job", "metadata": {"namespace": "default", "name": "once", "uid": "j"}, "spec": {}}
    fault.workloads.append(job | {"status": {"failed": 1, "conditions": [told], "active": 1}})
    pod = fault.pods[0]
    pod["metadata"]["ownerReferences"] = [{"uid": "j"}]
    end = {"name": "c", "state": {"terminated": {"exitCode": 4}}}
    pod["status"] = {"phase": "Failed", "containerStatuses": [end]}
    fault.event("Job", "once", "FailedCreate", "exceeded quota: it was, and is no more")
    (cause,) = why_workload(fault.picture(), "Job", "default", "once").causes
    assert "backoff limit" in cause.cause and "container c exited with 4" in cause.cause


def test_a_healthy_workload_is_told_nothing_and_one_without_replicas_a_note() -> None:
    fault = planted()
    assert why_workload(fault.picture(), "Deployment", "default", "web").findings == ()
    fault.deployment["spec"]["replicas"] = 0
    assert why_workload(fault.picture(), "Deployment", "default", "web").healthy
