"""How many pods may be evicted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minikube_py.api.meta import format_time
from minikube_py.api.types import Object
from minikube_py.controllers.disruption.plan import failed_status, plan_status, still_disrupted

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def budget(status: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "b", "generation": 3}, "spec": spec, "status": status or {}}


def pod(name: str, ready: bool = True) -> Object:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


FOUR = [pod(name) for name in "abcd"]


@pytest.mark.parametrize(
    ("spec", "pods", "allowed", "desired"),
    [
        ({"minAvailable": 3}, FOUR, 1, 3),
        ({"minAvailable": "50%"}, FOUR, 2, 2),
        ({"maxUnavailable": 1}, FOUR, 1, 3),
        ({"maxUnavailable": "30%"}, FOUR, 2, 2),
        ({"maxUnavailable": 1}, [*FOUR[:3], pod("d", ready=False)], 0, 3),
        ({"minAvailable": 9}, FOUR, 0, 9),
    ],
)
def test_numbers(spec: Object, pods: list[Object], allowed: int, desired: int) -> None:
    status = plan_status(budget(**spec), pods, 4, NOW)
    assert (status["disruptionsAllowed"], status["desiredHealthy"]) == (allowed, desired)
    assert status["conditions"][0]["reason"] == ("SufficientPods" if allowed else "InsufficientPods")


def test_a_granted_eviction_counts_until_it_shows_or_is_given_up() -> None:
    granted = budget({"disruptedPods": {"a": format_time(NOW), "gone": format_time(NOW)}}, minAvailable=3)
    kept, until = still_disrupted(granted, FOUR, NOW)
    assert kept == {"a": format_time(NOW)}
    assert plan_status(granted, FOUR, 4, NOW)["disruptionsAllowed"] == 0
    assert until is not None
    assert still_disrupted(granted, FOUR, until)[0] == {}
    assert plan_status(granted, FOUR, 4, NOW + timedelta(minutes=2))["disruptionsAllowed"] == 1


def test_what_cannot_be_counted_may_not_be_disrupted() -> None:
    status = failed_status(budget(), "no controller", NOW)
    assert status["disruptionsAllowed"] == 0
    assert status["conditions"][0]["reason"] == "SyncFailed"
