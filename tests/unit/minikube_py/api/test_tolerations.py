"""Taints and tolerations."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.tolerations import first_untolerated, tolerates

TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "accepted"),
    [
        ({"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "gpu"}, True),
        ({"key": "dedicated", "value": "cpu"}, False),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "dedicated", "operator": "Gt", "value": "1"}, False),
    ],
)
def test_toleration(toleration: dict[str, Any], accepted: bool) -> None:
    assert tolerates(toleration, TAINT) is accepted


@pytest.mark.parametrize(
    ("operator", "limit", "accepted"), [("Gt", "5", True), ("Gt", "10", False), ("Lt", "11", True)]
)
def test_numbers_compare(operator: str, limit: str, accepted: bool) -> None:
    taint = {"key": "sla", "value": "10", "effect": "NoSchedule"}
    assert tolerates({"key": "sla", "operator": operator, "value": limit}, taint) is accepted


def test_only_the_effects_asked_for_count() -> None:
    mild = {"key": "a", "effect": "PreferNoSchedule"}
    assert first_untolerated([mild, TAINT], []) == TAINT
    assert first_untolerated([mild], []) is None
