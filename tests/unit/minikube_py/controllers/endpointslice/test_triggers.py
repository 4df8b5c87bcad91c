"""When the change happened by which endpoints changed."""

from __future__ import annotations

from minikube_py.api.meta import annotations_of, key_of
from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.triggers import TRIGGER_TIME, TriggerTimes, stamped

SERVICE = {"metadata": {"name": "web", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}}


def pod(name: str, second: int) -> Object:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T00:00:{second:02}Z"}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def test_a_new_service_counts_from_its_creation_then_the_earliest_new_change() -> None:
    times = TriggerTimes()
    assert times.of(SERVICE, [pod("a", 5)]) == "2026-01-01T00:00:00Z"
    assert times.of(SERVICE, [pod("a", 5)]) == ""
    assert times.of(SERVICE, [pod("a", 9), pod("b", 7)]) == "2026-01-01T00:00:07Z"
    assert times.of(SERVICE, [pod("b", 7)]) == ""  # a pod that has gone has no time of its own
    times.forget(key_of(SERVICE))
    assert times.of(SERVICE, []) == "2026-01-01T00:00:00Z"


def test_the_annotation_comes_and_goes() -> None:
    plain = {"metadata": {"name": "web-1", "annotations": {"own": "x"}}}
    marked = stamped(plain, "2026-01-01T00:00:07Z")
    assert annotations_of(marked) == {"own": "x", TRIGGER_TIME: "2026-01-01T00:00:07Z"}
    assert stamped(marked, "") == plain
    assert stamped({"metadata": {}}, "") == {"metadata": {}}
