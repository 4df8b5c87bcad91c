"""Kinds of dynamic resource allocation."""

from __future__ import annotations

from typing import Any

from minikube_py.api.resources import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES


def test_claims_are_fixed_and_show_their_state(registry: Any) -> None:
    claim = registry.create(RESOURCECLAIMS, {"metadata": {"name": "c"}, "spec": {"devices": {}}})
    assert registry.cells(RESOURCECLAIMS, claim)["State"] == "pending"
    allocated = claim | {"status": {"allocation": {}, "reservedFor": [{"name": "pod"}]}}
    assert registry.cells(RESOURCECLAIMS, allocated)["State"] == "allocated,reserved"
    (refused,) = registry.update_refused(RESOURCECLAIMS, claim | {"spec": {"devices": {"requests": [{}]}}}, claim)
    assert refused.startswith("spec: Invalid value: ") and refused.endswith(": field is immutable")


def test_slices_and_classes(registry: Any) -> None:
    spec = {"driver": "gpu.example.com", "pool": {"name": "n1", "resourceSliceCount": 1}, "nodeName": "n1"}
    slice_ = registry.create(RESOURCESLICES, {"metadata": {"name": "s"}, "spec": spec})
    assert list(registry.cells(RESOURCESLICES, slice_).values()) == ["s", "n1", "gpu.example.com", "n1", "0s"]
    assert registry.refused(RESOURCESLICES, {"metadata": {"name": "s"}}) == [
        "spec.driver: Required value",
        "spec.pool.name: Required value",
        "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
        "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` "
        "is required",
    ]
    assert registry.refused(RESOURCESLICES, {"metadata": {"name": "s"}, "spec": spec | {"allNodes": True}}) == [
        'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, '
        "`perDeviceNodeSelection` is required, but multiple fields are set"
    ]
    assert list(registry.cells(DEVICECLASSES, {"metadata": {"name": "d"}}).values()) == ["d", "<unknown>"]
