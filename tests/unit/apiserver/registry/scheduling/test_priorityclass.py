"""PriorityClasses."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import PRIORITYCLASSES

Object = dict[str, Any]


def _priority(name: str = "high", **fields: Any) -> Object:
    return {"metadata": {"name": name}, "value": 1000} | fields


RESERVED = (
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
)


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (_priority(value=1_000_000_001), [
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ]),
        (_priority("system-mine"), [f"{RESERVED}system-mine is not a known system priority class"]),
        (_priority("system-node-critical"), [
            f"{RESERVED}value of system-node-critical PriorityClass must be 2000001000",
        ]),
    ],
)  # fmt: skip
def test_what_priority_classes_refuse(registry: Any, priority: Object, expected: list[str]) -> None:
    assert registry.refused(PRIORITYCLASSES, priority) == expected


def test_priorities_do_not_change(registry: Any) -> None:
    priority = registry.create(PRIORITYCLASSES, _priority())
    assert registry.update_refused(PRIORITYCLASSES, priority | {"value": 2}, priority) == [
        "value: Forbidden: may not be changed in an update."
    ]


def test_priority_class_rows(registry: Any) -> None:
    row = registry.cells(PRIORITYCLASSES, registry.create(PRIORITYCLASSES, _priority()))
    assert list(row.values()) == ["high", 1000, False, "0s", "PreemptLowerPriority"]
