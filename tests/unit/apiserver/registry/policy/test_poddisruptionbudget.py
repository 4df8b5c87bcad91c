"""PodDisruptionBudgets."""

from __future__ import annotations

from typing import Any

from minikube_py.api.resources import PODDISRUPTIONBUDGETS

Object = dict[str, Any]


def _budget(**spec: Any) -> Object:
    return {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"a": "b"}}} | spec}


def test_only_one_bound(registry: Any) -> None:
    refused = registry.refused(PODDISRUPTIONBUDGETS, _budget(minAvailable=1, maxUnavailable=1))
    assert len(refused) == 1 and refused[0].startswith("spec: Invalid value: ")
    assert refused[0].endswith(": minAvailable and maxUnavailable cannot be both set")


def test_bounds_are_amounts_or_shares(registry: Any) -> None:
    assert registry.refused(PODDISRUPTIONBUDGETS, _budget(minAvailable="120%")) == [
        'spec.minAvailable: Invalid value: "120%": must not be greater than 100%'
    ]
    assert registry.refused(PODDISRUPTIONBUDGETS, _budget(unhealthyPodEvictionPolicy="Never")) == [
        'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": '
        'supported values: "AlwaysAllow", "IfHealthyBudget"'
    ]


def test_budget_rows(registry: Any) -> None:
    budget = registry.create(PODDISRUPTIONBUDGETS, _budget(minAvailable="50%"))
    row = registry.cells(PODDISRUPTIONBUDGETS, budget | {"status": {"disruptionsAllowed": 2}})
    assert [row[name] for name in ("Min Available", "Max Unavailable", "Allowed Disruptions")] == ["50%", "N/A", 2]
