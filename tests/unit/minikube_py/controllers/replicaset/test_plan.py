"""How many pods to make and to remove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from minikube_py.api.types import Object
from minikube_py.controllers.podcontrol import BURST
from minikube_py.controllers.replicaset.plan import plan_scaling, plan_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True", "lastTransitionTime": "2025-12-31T00:00:00Z"}]


def owner(replicas: int | None, **meta: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}}
    return {
        "kind": "ReplicaSet",
        "metadata": {"generation": 2} | meta,
        "spec": {"replicas": replicas, "template": template},
    }


def pod(name: str, phase: str = "Running", **meta: Any) -> Object:
    return {
        "metadata": {"name": name, "uid": name, "labels": {"app": "web"}} | meta,
        "status": {"phase": phase, "conditions": READY},
    }


def test_missing_surplus_and_ended_pods() -> None:
    pods = [pod("a"), pod("b", "Failed"), pod("c", deletionTimestamp="2026-01-01T00:00:00Z")]
    assert plan_scaling(owner(3), pods, pods, NOW).create == 2
    assert plan_scaling(owner(None), pods, pods, NOW).create == 0
    assert [entry["metadata"]["name"] for entry in plan_scaling(owner(0), pods, pods, NOW).delete] == ["a"]


def test_no_more_than_a_burst_at_once_and_nothing_while_deleting() -> None:
    assert plan_scaling(owner(5000), [], [], NOW).create == BURST
    assert plan_scaling(owner(5, deletionTimestamp="2026-01-01T00:00:00Z"), [], [], NOW).create == 0


def test_status() -> None:
    gone = pod("c", deletionTimestamp="2026-01-01T00:00:00Z")
    status = plan_status(owner(2), [pod("a"), pod("b", labels={}), gone], NOW, None)
    assert status == {
        "replicas": 2,
        "fullyLabeledReplicas": 1,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 1,
        "observedGeneration": 2,
    }


def test_failures_come_and_go() -> None:
    failed = plan_status(owner(2), [], NOW, ("FailedCreate", "exceeded quota"))
    assert failed["conditions"][0]["reason"] == "FailedCreate"
    assert "conditions" not in plan_status(owner(2) | {"status": failed}, [], NOW, None)
