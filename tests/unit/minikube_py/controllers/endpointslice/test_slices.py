"""Fitting endpoints into slices with few writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.desired import EndpointKey, Ports, key_of_endpoint, port_objects
from minikube_py.controllers.endpointslice.hints import apply_hints
from minikube_py.controllers.endpointslice.slices import Blueprint, Changes, plan_family

HTTP: Ports = (("", 80, "TCP", None),)
OTHER: Ports = (("", 81, "TCP", None),)
LABELS = {"kubernetes.io/service-name": "web"}


def endpoint(number: int, **extra: Any) -> Object:
    return {"addresses": [f"10.0.{number // 250}.{number % 250}"], "conditions": {"ready": True}} | extra


def desired(numbers: Iterable[int], **extra: Any) -> dict[EndpointKey, Object]:
    found = [endpoint(number, **extra) for number in numbers]
    return {key_of_endpoint(entry): entry for entry in found}


def slice_of(name: str, numbers: Iterable[int], ports: Ports = HTTP) -> Object:
    return {
        "metadata": {"name": name, "labels": LABELS},
        "addressType": "IPv4",
        "ports": port_objects(ports),
        "endpoints": [endpoint(number) for number in numbers],
    }


def plan(existing: list[Object], wanted: dict[Ports, dict[EndpointKey, Object]]) -> Changes:
    blueprint = Blueprint({"metadata": {"labels": LABELS}, "addressType": "IPv4"}, LABELS)
    return plan_family(existing, wanted, blueprint, lambda entry: True)


def sizes(slices: list[Object]) -> list[int]:
    return sorted(len(entry["endpoints"]) for entry in slices)


def test_a_hundred_per_slice() -> None:
    assert sizes(plan([], {HTTP: desired(range(250))}).create) == [50, 100, 100]


def test_nothing_new_writes_nothing() -> None:
    changes = plan([slice_of("a", range(10))], {HTTP: desired(range(10))})
    assert not changes
    assert len(changes.unchanged) == 1


def test_a_change_in_place_touches_one_slice() -> None:
    existing = [slice_of("a", range(100)), slice_of("b", range(100, 150))]
    wanted = desired(range(150))
    key = key_of_endpoint(endpoint(120))
    wanted[key] = endpoint(120) | {"conditions": {"ready": False}}
    changes = plan(existing, {HTTP: wanted})
    assert [entry["metadata"]["name"] for entry in changes.update] == ["b"]


def test_room_in_a_slice_that_changes_anyway_is_used_first() -> None:
    existing = [slice_of("a", range(100)), slice_of("b", range(100, 150))]
    changes = plan(existing, {HTTP: desired([*range(1, 150), 500])})
    assert [entry["metadata"]["name"] for entry in changes.update] == ["a"]
    assert sizes(changes.update) == [100]


def test_the_fullest_slice_with_room_takes_the_rest() -> None:
    existing = [slice_of("a", range(20)), slice_of("b", range(100, 190))]
    changes = plan(existing, {HTTP: desired([*range(20), *range(100, 190), 500, 501])})
    assert [entry["metadata"]["name"] for entry in changes.update] == ["b"]


def test_new_ports_reuse_the_old_slice() -> None:
    changes = plan([slice_of("a", range(3))], {OTHER: desired(range(3))})
    assert [entry["metadata"]["name"] for entry in changes.update] == ["a"]
    assert not changes.create and not changes.delete


def test_the_last_endpoint_leaves_a_placeholder() -> None:
    changes = plan([slice_of("a", range(3))], {})
    assert [(entry["metadata"]["name"], entry["endpoints"]) for entry in changes.update] == [("a", [])]
    assert not plan([slice_of("a", [], ports=())], {})


def test_hints_follow_the_service() -> None:
    near = {"spec": {"trafficDistribution": "PreferSameNode"}}
    entry = slice_of("a", [])
    entry["endpoints"] = [endpoint(1, zone="z", nodeName="n"), endpoint(2, conditions={"ready": False}, zone="z")]
    hinted = apply_hints(near, Changes(unchanged=[entry]))
    hints = [item.get("hints") for item in hinted.update[0]["endpoints"]]
    assert hints == [{"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]}, None]
    assert not apply_hints(near, Changes(unchanged=hinted.update))
    bare = apply_hints({"spec": {}}, Changes(unchanged=hinted.update))
    assert [item.get("hints") for item in bare.update[0]["endpoints"]] == [None, None]
