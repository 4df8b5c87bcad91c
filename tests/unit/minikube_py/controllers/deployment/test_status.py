"""What Deployments say about themselves, over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from minikube_py.api.meta import find_condition
from minikube_py.api.types import Object
from minikube_py.controllers.deployment.status import deadline_in, is_complete, paused_conditions, plan_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deployment(status: Object | None = None, **spec: Any) -> Object:
    base = {"replicas": 2, "progressDeadlineSeconds": 60, "strategy": {"type": "RollingUpdate"}}
    return {"metadata": {"name": "web", "generation": 1}, "spec": base | spec, "status": status or {}}


def rs(ready: int, replicas: int = 2) -> Object:
    numbers = {"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready}
    return {"metadata": {"name": "web-1"}, "spec": {"replicas": 2}, "status": numbers}


def reason(status: Object, kind: str) -> str:
    return (find_condition(status["conditions"], kind) or {}).get("reason", "")


def test_progress_completion_and_after() -> None:
    first = plan_status(deployment(), rs(0), [rs(0)], NOW)
    assert (reason(first, "Available"), reason(first, "Progressing")) == (
        "MinimumReplicasUnavailable",
        "ReplicaSetUpdated",
    )
    done = plan_status(deployment(first), rs(2), [rs(2)], NOW + timedelta(seconds=5))
    assert (reason(done, "Available"), reason(done, "Progressing")) == (
        "MinimumReplicasAvailable",
        "NewReplicaSetAvailable",
    )
    assert is_complete(deployment(), done)
    later = plan_status(deployment(done), rs(1), [rs(1)], NOW + timedelta(hours=1))
    assert reason(later, "Progressing") == "NewReplicaSetAvailable"


def test_no_progress_runs_into_the_deadline() -> None:
    first = plan_status(deployment(), rs(0), [rs(0)], NOW)
    wait = deadline_in(deployment(first), first, NOW)
    assert wait is not None and 60 <= wait <= 62
    late = plan_status(deployment(first), rs(0), [rs(0)], NOW + timedelta(seconds=wait))
    condition = find_condition(late["conditions"], "Progressing")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert condition["message"] == 'ReplicaSet "web-1" has timed out progressing.'
    assert deadline_in(deployment(late), late, NOW) is None


def test_a_pause_stops_the_deadline() -> None:
    paused = deployment(plan_status(deployment(), rs(0), [rs(0)], NOW), paused=True)
    conditions = paused_conditions(paused, NOW)
    assert reason({"conditions": conditions}, "Progressing") == "DeploymentPaused"
    resumed = deployment({"conditions": conditions})
    assert reason({"conditions": paused_conditions(resumed, NOW)}, "Progressing") == "DeploymentResumed"


def test_a_replica_sets_failure_shows() -> None:
    failed = rs(0, 0)
    failed["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    ]
    status = plan_status(deployment(), failed, [failed], NOW)
    assert reason(status, "ReplicaFailure") == "FailedCreate"
