"""Hints in proportion to the zones' CPU."""

from __future__ import annotations

from collections import Counter

import pytest

from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.slices import Changes
from minikube_py.controllers.endpointslice.topology import NoHints, apply_topology, wants_topology, zone_ratios


def node(name: str, zone: str, cpu: str = "4", ready: str = "True") -> Object:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    status = {"allocatable": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def slice_of(*zones: str) -> Object:
    return {
        "endpoints": [
            {"addresses": [str(n)], "zone": zone, "conditions": {"ready": True}} for n, zone in enumerate(zones)
        ]
    }


def hints(entry: Object) -> Counter[str]:
    return Counter(endpoint["hints"]["forZones"][0]["name"] for endpoint in entry["endpoints"])


EVEN = [node("1", "a"), node("2", "b")]


def test_endpoints_serve_their_zone() -> None:
    made = apply_topology(Changes(create=[slice_of("a", "a", "b", "b")]), EVEN)
    assert hints(made.create[0]) == {"a": 2, "b": 2}


def test_rich_zones_lend_to_poor_ones() -> None:
    made = apply_topology(Changes(create=[slice_of("a", "a", "a", "a", "a", "b")]), EVEN)
    assert hints(made.create[0]) == {"a": 3, "b": 3}


def test_shares_follow_the_cpu() -> None:
    assert zone_ratios([node("1", "a", "6"), node("2", "b", "2")]) == {"a": 0.75, "b": 0.25}


def test_slices_whose_hints_fit_are_left_alone() -> None:
    first = apply_topology(Changes(create=[slice_of("a", "a", "b", "b")]), EVEN).create[0]
    again = apply_topology(Changes(unchanged=[first]), EVEN)
    assert again.unchanged == [first] and not again.update


@pytest.mark.parametrize(
    ("zones", "nodes", "words"),
    [
        (("a", "b"), [node("1", "a")], "one zone"),
        (("a", "b"), [node("1", "a"), node("2", "")], "Insufficient Node information"),
        (("a",), EVEN, r"Insufficient number of endpoints \(1 endpoints, 2 zones\)"),
        (("a", ""), EVEN, "do not have a zone"),
        (("a", "b", "b"), [*EVEN, node("3", "a", "1"), node("4", "c", "1")], "overload"),
    ],
)
def test_what_makes_hints_unfair(zones: tuple[str, ...], nodes: list[Object], words: str) -> None:
    with pytest.raises(NoHints, match=words):
        apply_topology(Changes(create=[slice_of(*zones)]), nodes)


def test_who_asks_for_it() -> None:
    assert wants_topology({"metadata": {"annotations": {"service.kubernetes.io/topology-mode": "Auto"}}})
    assert not wants_topology({"metadata": {}})
