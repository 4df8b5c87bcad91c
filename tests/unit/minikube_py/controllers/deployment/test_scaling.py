"""How Deployments move replicas from one ReplicaSet to another."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.deployment import scaling, views


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%", kind: str = "") -> Object:
    strategy: Object = {"type": kind or "RollingUpdate"}
    if not kind:
        strategy["rollingUpdate"] = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "strategy": strategy}}


def rs(name: str, replicas: int, available: int | None = None, **annotations: int) -> Object:
    notes = {f"deployment.kubernetes.io/{key.replace('_', '-')}": str(value) for key, value in annotations.items()}
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:{len(name):02}Z", "annotations": notes},
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": replicas if available is None else available, "replicas": replicas},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "posts"),
    [
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (5, 0, 0, (0, 1)),
        (3, 1, 0, (1, 0)),
    ],
)
def test_fenceposts(replicas: int, surge: Any, unavailable: Any, posts: tuple[int, int]) -> None:
    assert views.fenceposts(deployment(replicas, surge, unavailable)) == posts


def test_the_new_one_grows_within_the_surge_and_then_the_old_shrink() -> None:
    wanted = deployment(4)
    assert scaling.rolling(wanted, rs("new", 0), [rs("o", 4)]) == {"new": 1}
    assert scaling.rolling(wanted, rs("new", 1, 0), [rs("o", 4)]) == {"o": 3}
    assert scaling.rolling(wanted, rs("new", 1, 0), [rs("o", 3)]) == {"new": 2}
    assert scaling.rolling(wanted, rs("new", 2, 0), [rs("o", 3)]) == {}
    assert scaling.rolling(wanted, rs("new", 2, 2), [rs("o", 3)]) == {"o": 1}
    assert scaling.rolling(wanted, rs("new", 4, 4), [rs("o", 0)]) == {}


def test_a_whole_rollout_never_leaves_its_bounds() -> None:
    wanted, old, new = deployment(10, 3, 2), 10, 0
    for _ in range(100):
        sizes = scaling.rolling(wanted, rs("new", new), [rs("o", old)])
        new, old = sizes.get("new", new), sizes.get("o", old)
        assert 8 <= new + old <= 13
        if not sizes:
            break
    assert (old, new) == (0, 10)


def test_unhealthy_old_replicas_go_first() -> None:
    sizes = scaling.rolling(deployment(10), rs("new", 3, 0), [rs("old", 8, 8), rs("older", 2, 0)])
    assert sizes == {"older": 0}


def test_recreate_waits_for_the_last_old_pod() -> None:
    wanted = deployment(3, kind="Recreate")
    assert scaling.recreate(wanted, None, [rs("o", 3)], old_pods_run=True) == {"o": 0}
    assert scaling.recreate(wanted, rs("new", 0), [rs("o", 0)], old_pods_run=True) == {}
    assert scaling.recreate(wanted, rs("new", 0), [rs("o", 0)], old_pods_run=False) == {"new": 3}


def test_resizing_the_only_active_one() -> None:
    assert scaling.resize(deployment(7), rs("new", 3), [rs("o", 0)]) == {"new": 7}
    assert scaling.resize(deployment(3), rs("new", 3), []) == {}


def test_resizing_in_the_middle_of_a_rollout_is_proportional() -> None:
    sets = [rs("o", 5, max_replicas=10), rs("new", 5, max_replicas=10)]
    grown = scaling.resize(deployment(20, 0, 0), sets[1], sets[:1])
    assert sum(grown.values()) == 20
    assert grown == {"new": 10, "o": 10}
    assert scaling.resize(deployment(0), sets[1], sets[:1]) == {"o": 0, "new": 0}


def test_a_saturated_new_one_ends_the_old() -> None:
    new = rs("new", 5, desired_replicas=5)
    assert scaling.resize(deployment(5), new, [rs("o", 2)]) == {"o": 0}
