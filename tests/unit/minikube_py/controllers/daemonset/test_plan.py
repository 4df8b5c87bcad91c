"""Where daemons run, and how they are replaced."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.daemonset.plan import (
    belongs,
    new_pod,
    plan_placement,
    plan_status,
    plan_update,
    target_node,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True", "lastTransitionTime": "2025-12-31T00:00:00Z"}]


def daemons(pod_spec: Object | None = None, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "d"}}, "spec": pod_spec or {}}
    return {"metadata": {"name": "d", "namespace": "default", "uid": "d"}, "spec": {"template": template} | spec}


def node(name: str, labels: Object | None = None, *taints: Object) -> Object:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": list(taints)}}


def pod(name: str, on: str, *, revision: str = "new", ready: bool = True, phase: str = "Running", **meta: Any) -> Any:
    base = {"name": name, "uid": name, "labels": {"controller-revision-hash": revision}}
    return {
        "metadata": base | meta,
        "spec": {"nodeName": on},
        "status": {"phase": phase, "conditions": READY if ready else []},
    }


def taint(effect: str, key: str = "private") -> Object:
    return {"key": key, "effect": effect}


@pytest.mark.parametrize(
    ("pod_spec", "target", "starts", "stays"),
    [
        ({}, node("a"), True, True),
        ({"nodeSelector": {"gpu": "yes"}}, node("a"), False, False),
        ({"nodeName": "b"}, node("a"), False, False),
        ({}, node("a", None, taint("NoSchedule")), False, True),
        ({}, node("a", None, taint("NoExecute")), False, False),
        ({}, node("a", None, taint("NoExecute", "node.kubernetes.io/unreachable")), True, True),
        ({}, node("a", None, taint("NoSchedule", "node.kubernetes.io/unschedulable")), True, True),
    ],
)
def test_where_daemons_belong(pod_spec: Object, target: Object, starts: bool, stays: bool) -> None:
    assert belongs(daemons(pod_spec), target) == (starts, stays)


def test_a_daemon_is_meant_for_one_node() -> None:
    made = new_pod(daemons(), "a", "r")
    assert target_node(made) == "a"
    keys = {entry["key"] for entry in made["spec"]["tolerations"]}
    assert "node.kubernetes.io/not-ready" in keys and "node.kubernetes.io/network-unavailable" not in keys


def test_one_each() -> None:
    nodes = [node("a"), node("b"), node("c")]
    pods = [pod("1", "a"), pod("2", "a"), pod("3", "b", phase="Failed"), pod("4", "gone")]
    actions = plan_placement(daemons(), nodes, pods, "new")
    assert actions.create == ["c"]
    assert {entry["metadata"]["name"] for entry in actions.delete} == {"2", "3", "4"}
    assert [entry["metadata"]["name"] for entry in actions.failed] == ["3"]


def update(spec: Object, *pods: Object) -> tuple[list[str], list[str]]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": spec}
    nodes = [node("a"), node("b"), node("c")]
    actions = plan_update(daemons(updateStrategy=strategy), nodes, pods, "new", NOW)
    return actions.create, [entry["metadata"]["name"] for entry in actions.delete]


def test_one_at_a_time_is_replaced() -> None:
    old = [pod(name, name, revision="old") for name in "abc"]
    assert update({"maxUnavailable": 1}, *old) == ([], ["a"])
    assert update({"maxUnavailable": 2}, *old) == ([], ["a", "b"])
    assert update({"maxUnavailable": 1}, pod("x", "a", ready=False), *old[1:]) == ([], [])
    assert update({"maxUnavailable": 1}, *old[:2], pod("c", "c", revision="old", ready=False)) == ([], ["c"])


def test_surge_starts_before_it_stops() -> None:
    old = [pod(name, name, revision="old") for name in "abc"]
    surge = {"maxSurge": 1, "maxUnavailable": 0}
    assert update(surge, *old) == (["a"], [])
    assert update(surge, *old, pod("x", "a", ready=False)) == ([], [])
    assert update(surge, *old, pod("x", "a")) == (["b"], ["a"])


def test_numbers() -> None:
    nodes = [node("a"), node("b"), node("c", None, taint("NoSchedule"))]
    pods = [pod("1", "a"), pod("2", "b", ready=False, revision="old"), pod("3", "c")]
    status = plan_status(daemons(), nodes, pods, "new", NOW, 0)
    assert status == {
        "desiredNumberScheduled": 2,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 1,
        "numberReady": 1,
        "numberAvailable": 1,
        "numberUnavailable": 1,
        "updatedNumberScheduled": 1,
    }
