"""Readiness, availability, and who goes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minikube_py.api.meta import format_time
from minikube_py.api.types import Object
from minikube_py.controllers.podstate import deletion_order, is_available, seconds_until_available

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(
    name: str, *, node: str = "n", phase: str = "Running", ready: int | None = 100, age: int = 100, **extra: Any
) -> Object:
    conditions = []
    if ready is not None:
        moment = format_time(NOW - timedelta(seconds=ready))
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": moment}]
    created = format_time(NOW - timedelta(seconds=age))
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": created} | extra.pop("meta", {}),
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": conditions} | extra,
    }


CHEAP = {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}
RESTARTED = [{"restartCount": 7}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("a", node=""), pod("b", phase="Pending")),
        (pod("a", phase="Pending"), pod("b", phase="Unknown")),
        (pod("a", ready=None), pod("b")),
        (pod("a", meta=CHEAP, ready=5000), pod("b", ready=1)),
        (pod("a", ready=10), pod("b", ready=1000)),
        (pod("a", containerStatuses=RESTARTED), pod("b")),
        (pod("a", age=10), pod("b", age=1000)),
    ],
)
def test_who_goes_first(first: Object, second: Object) -> None:
    for pods in ([first, second], [second, first]):
        assert [entry["metadata"]["name"] for entry in deletion_order(pods, now=NOW)] == ["a", "b"]


def test_crowded_nodes_are_thinned_out() -> None:
    pods = [pod("x", node="empty"), pod("y", node="full")]
    related = [*pods, pod("z", node="full")]
    assert deletion_order(pods, now=NOW, related=related)[0]["metadata"]["name"] == "y"


def test_availability_takes_time() -> None:
    fresh = pod("a", ready=4)
    assert is_available(fresh, 0, NOW)
    assert not is_available(fresh, 10, NOW)
    assert seconds_until_available([fresh], 10, NOW) == 6
    assert is_available(fresh, 10, NOW + timedelta(seconds=6))
    assert seconds_until_available([pod("b", ready=None)], 10, NOW) is None
