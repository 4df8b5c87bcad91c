"""Rates from counters, and their shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apiserver.computed.resources import METRICS_TABLE
from apiserver.computed.usage import (
    ContainerKey,
    Counted,
    Reading,
    node_metrics,
    pod_metrics,
    reading_of,
    serves,
    usage_between,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
APP, SIDE, NEW = (ContainerKey("default", "web", "u1", name) for name in ("app", "side", "new"))
BASE = Reading(100.0, {APP: Counted(1_000_000_000, 5 << 20), SIDE: Counted(7_000_000_000, 1 << 20)})
LATER = Reading(
    110.0,
    {APP: Counted(6_000_000_000, 6 << 20), SIDE: Counted(1_000_000_000, 1 << 20), NEW: Counted(20_000_000, 1024)},
)


def test_a_summary_is_read_container_by_container() -> None:
    container = {"name": "app", "cpu": {"usageCoreNanoSeconds": 5}, "memory": {"workingSetBytes": 6}}
    pod = {"podRef": {"name": "web", "namespace": "default", "uid": "u1"}, "containers": [container, {"name": "side"}]}
    assert reading_of({"pods": [pod, {"podRef": {"name": "idle", "namespace": "default"}}]}, 1.0) == Reading(
        1.0, {APP: Counted(5, 6), SIDE: Counted(0, 0)}
    )


def test_processor_time_is_a_rate_and_what_began_anew_counts_from_nothing() -> None:
    usage = usage_between(BASE, LATER)
    assert usage.window == "10.000s"
    assert {key.container: counted.cpu for key, counted in usage.containers.items()} == {
        "app": 500_000_000, "side": 100_000_000, "new": 2_000_000,
    }  # fmt: skip


def test_an_earlier_reading_serves_for_a_minute() -> None:
    assert not serves(None, 100.0)
    assert serves(BASE, 160.0)
    assert not serves(BASE, 160.1)


def test_pods_and_nodes_have_the_shapes_of_the_metrics_api() -> None:
    usage = usage_between(BASE, LATER)
    web: dict[str, Any] = {"metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}}}
    other = {"metadata": {"name": "unread", "namespace": "default"}}
    (found,) = pod_metrics([web, other], usage, NOW)
    assert (found["kind"], found["apiVersion"]) == ("PodMetrics", "metrics.k8s.io/v1beta1")
    assert found["metadata"] == {
        "name": "web", "namespace": "default", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"app": "web"},
    }  # fmt: skip
    assert found["containers"][0] == {"name": "app", "usage": {"cpu": "500000000n", "memory": "6144Ki"}}
    assert METRICS_TABLE.row(found, NOW) == ["web", "602000000n", "7169Ki", "10.000s"]
    node = node_metrics({"metadata": {"name": "node-1"}}, usage, NOW)
    assert node["usage"] == {"cpu": "602000000n", "memory": "7169Ki"}
    assert METRICS_TABLE.row(node, NOW) == ["node-1", "602000000n", "7169Ki", "10.000s"]
