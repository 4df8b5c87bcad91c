"""How fast nodes are emptied when many fall silent at once."""

from __future__ import annotations

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.nodes.zones import ZonePace, ZoneState, zone_of, zone_state


def nodes(ready: int, silent: int, zone: str = "a") -> list[Object]:
    return [node(zone, "True") for _ in range(ready)] + [node(zone, "Unknown") for _ in range(silent)]


def node(zone: str, ready: str) -> Object:
    labels = {"topology.kubernetes.io/zone": zone}
    return {"metadata": {"labels": labels}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    ("ready", "silent", "state"),
    [
        (3, 0, ZoneState.NORMAL),
        (1, 2, ZoneState.NORMAL),
        (2, 3, ZoneState.PARTIAL),
        (3, 3, ZoneState.NORMAL),
        (0, 3, ZoneState.FULL),
        (0, 0, ZoneState.NORMAL),
    ],
)
def test_states(ready: int, silent: int, state: ZoneState) -> None:
    assert zone_state(nodes(ready, silent)) is state


def test_one_node_in_ten_seconds_and_zones_do_not_wait_for_each_other() -> None:
    everywhere = nodes(3, 2) + nodes(3, 2, zone="b")
    pace = ZonePace()
    assert pace.wait(node("a", "Unknown"), everywhere, 100.0) == 0
    assert pace.wait(node("a", "Unknown"), everywhere, 104.0) == 6.0
    assert pace.wait(node("b", "Unknown"), everywhere, 104.0) == 0
    assert pace.wait(node("a", "Unknown"), everywhere, 110.0) == 0


def test_a_zone_that_is_probably_cut_off() -> None:
    assert ZonePace().wait(node("a", "Unknown"), nodes(2, 3), 0.0) is None
    large, pace = nodes(20, 40), ZonePace()
    assert pace.wait(node("a", "Unknown"), large, 0.0) == 0
    assert pace.wait(node("a", "Unknown"), large, 10.0) == 90.0


def test_a_whole_zone_is_emptied_a_whole_cluster_is_not() -> None:
    assert ZonePace().wait(node("a", "Unknown"), nodes(0, 3) + nodes(3, 0, zone="b"), 0.0) == 0
    assert ZonePace().wait(node("a", "Unknown"), nodes(0, 3) + nodes(0, 1, zone="b"), 0.0) is None


def test_zones_are_named_by_region_too() -> None:
    labels = {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"}
    assert zone_of({"metadata": {"labels": labels}}) == ("r", "z")
    assert zone_of({"metadata": {}}) == ("", "")
