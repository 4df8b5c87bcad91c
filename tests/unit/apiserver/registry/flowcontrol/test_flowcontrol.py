"""FlowSchemas and PriorityLevelConfigurations."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS

Object = dict[str, Any]
RULE = {
    "subjects": [{"kind": "Group", "group": {"name": "system:authenticated"}}],
    "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}],
}


def _schema(**spec: Any) -> Object:
    return {"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "p"}, "rules": [RULE]} | spec}


def _level(**spec: Any) -> Object:
    queue = {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}
    return {"metadata": {"name": "p"}, "spec": queue | spec}


def test_flow_schemas(registry: Any) -> None:
    schema = registry.create(FLOWSCHEMAS, _schema())
    assert schema["spec"]["matchingPrecedence"] == 1000
    assert list(registry.cells(FLOWSCHEMAS, schema).values()) == ["s", "p", 1000, "<none>", "0s", "?"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"matchingPrecedence": 1}, "spec.matchingPrecedence: Invalid value: 1: "
         "only the schema named 'exempt' may have matchingPrecedence 1"),
        ({"priorityLevelConfiguration": None}, "spec.priorityLevelConfiguration.name: Required value: "
         "must reference a priority level"),
        ({"rules": [RULE | {"subjects": []}]}, "spec.rules[0].subjects: Required value: "
         "subjects must contain at least one value"),
        ({"rules": [RULE | {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["a"]}]}]},
         'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash'),
    ],
)  # fmt: skip
def test_what_flow_schemas_refuse(registry: Any, spec: Object, expected: str) -> None:
    assert registry.refused(FLOWSCHEMAS, _schema(**spec)) == [expected]


def test_priority_levels(registry: Any) -> None:
    level = registry.create(PRIORITYLEVELCONFIGURATIONS, _level())
    assert list(registry.cells(PRIORITYLEVELCONFIGURATIONS, level).values()) == ["p", "Limited", 30, 64, 8, 50, "0s"]
    assert registry.refused(PRIORITYLEVELCONFIGURATIONS, _level(type="Exempt", limited=None)) == [
        "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'"
    ]
    assert registry.refused(PRIORITYLEVELCONFIGURATIONS, _level(limited=None)) == [
        "spec.limited: Required value: must not be empty when type is Limited"
    ]
