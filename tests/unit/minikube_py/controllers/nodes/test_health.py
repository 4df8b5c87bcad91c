"""Silent nodes: conditions, taints, pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.nodes.eviction import eviction_time
from minikube_py.controllers.nodes.health import planned_taints, pod_unready_conditions, silent_conditions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def node(ready: str = "True", *others: Object, **spec: Any) -> Object:
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": "2025-12-31T23:59:00Z"}
    return {"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": [condition, *others]}}


def keys(target: Object, *, evict: bool = True) -> list[tuple[str, str]]:
    return [(taint["key"].rpartition("/")[2], taint["effect"]) for taint in planned_taints(target, NOW, evict=evict)]


def test_nobody_knows_after_silence() -> None:
    found = {entry["type"]: entry for entry in silent_conditions(node(), NOW)}
    assert set(found) == {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}
    assert {entry["status"] for entry in found.values()} == {"Unknown"}
    assert found["Ready"]["message"] == "Kubelet stopped posting node status."
    assert found["Ready"]["lastHeartbeatTime"] == "2025-12-31T23:59:00Z"
    assert found["MemoryPressure"]["reason"] == "NodeStatusNeverUpdated"


@pytest.mark.parametrize(
    ("target", "taints"),
    [
        (node(), []),
        (node("False"), [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")]),
        (node("Unknown"), [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]),
        (node("True", {"type": "DiskPressure", "status": "True"}), [("disk-pressure", "NoSchedule")]),
        (node(unschedulable=True), [("unschedulable", "NoSchedule")]),
    ],
)
def test_conditions_become_taints(target: Object, taints: list[tuple[str, str]]) -> None:
    assert keys(target) == taints


def test_without_a_ready_neighbour_nobody_is_evicted() -> None:
    assert keys(node("Unknown"), evict=False) == [("unreachable", "NoSchedule")]


def test_recovery_takes_our_taints_and_leaves_others() -> None:
    own = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    foreign = {"key": "dedicated", "value": "gpu", "effect": "NoExecute"}
    assert keys(node(taints=[own, foreign])) == [("dedicated", "NoExecute")]


def test_pods_of_a_silent_node_are_not_ready() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    changed = pod_unready_conditions(
        {"status": {"conditions": [{"type": "Initialized", "status": "True"}, ready]}}, NOW
    )
    assert changed is not None
    assert [entry["status"] for entry in changed] == ["True", "False"]
    assert pod_unready_conditions({"status": {"conditions": changed}}, NOW) is None


GONE = {"key": "k", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("tolerations", "leaves", "after"),
    [
        ([], True, 0),
        ([{"key": "k", "operator": "Exists"}], False, None),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 30}], True, 30),
        (
            [
                {"key": "k", "operator": "Exists", "tolerationSeconds": 30},
                {"operator": "Exists", "tolerationSeconds": 5},
            ],
            True,
            5,
        ),
        ([{"key": "k", "operator": "Exists", "effect": "NoSchedule"}], True, 0),
    ],
)
def test_when_a_pod_has_to_leave(tolerations: list[Object], leaves: bool, after: int | None) -> None:
    expected = None if after is None else NOW + timedelta(seconds=after)
    assert eviction_time([GONE], tolerations, NOW) == (leaves, expected)
    assert eviction_time([], tolerations, NOW) == (False, None)
