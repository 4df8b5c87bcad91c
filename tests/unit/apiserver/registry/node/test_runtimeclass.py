"""RuntimeClasses."""

from __future__ import annotations

from typing import Any

from minikube_py.api.resources import RUNTIMECLASSES


def test_runtime_classes(registry: Any) -> None:
    runtime = registry.create(RUNTIMECLASSES, {"metadata": {"name": "fast"}, "handler": "runf"})
    assert list(registry.cells(RUNTIMECLASSES, runtime).values()) == ["fast", "runf", "0s"]
    assert registry.update_refused(RUNTIMECLASSES, runtime | {"handler": "runc"}, runtime) == [
        'handler: Invalid value: "runc": field is immutable'
    ]
    assert registry.refused(RUNTIMECLASSES, {"metadata": {"name": "fast"}}) == ["handler: Required value"]


def test_tolerations_come_once(registry: Any) -> None:
    toleration = {"key": "a", "operator": "Exists"}
    runtime = {"metadata": {"name": "f"}, "handler": "h", "scheduling": {"tolerations": [toleration, toleration]}}
    (refused,) = registry.refused(RUNTIMECLASSES, runtime)
    assert refused.startswith("scheduling.tolerations[1]: Duplicate value: ")
