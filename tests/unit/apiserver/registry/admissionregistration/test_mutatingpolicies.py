"""MutatingAdmissionPolicies and their bindings."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import MUTATINGADMISSIONPOLICIES as POLICIES
from minikube_py.api.resources import MUTATINGADMISSIONPOLICYBINDINGS as BINDINGS

Object = dict[str, Any]
APPLY = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}


def _policy(**spec: Any) -> Object:
    given = {"matchConstraints": {"resourceRules": [dict(RULE)]}, "mutations": [APPLY], "reinvocationPolicy": "Never"}
    return {"metadata": {"name": "p"}, "spec": given | spec}


def test_a_policy_is_completed_and_shown(registry: Any) -> None:
    policy = registry.create(POLICIES, _policy())
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert policy["spec"]["matchConstraints"]["matchPolicy"] == "Equivalent"
    assert list(registry.cells(POLICIES, policy).values()) == ["p", 1, "<unset>", "0s"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"mutations": []}, "spec.mutations: Required value: mutations must contain at least one item"),
        ({"mutations": [{}]}, "spec.mutations[0].patchType: Required value"),
        ({"mutations": [{"patchType": "JSONPatch"}]},
         "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"),
        ({"mutations": [APPLY | {"jsonPatch": {"expression": "x"}}]}, "spec.mutations[0].jsonPatch: Invalid value: "
         '"{jsonPatch}": must not be specified when patchType is ApplyConfiguration'),
        ({"mutations": [APPLY | {"applyConfiguration": {"expression": " "}}]},
         "spec.mutations[0].applyConfiguration.expression: Required value"),
        ({"reinvocationPolicy": "Often"}, 'spec.reinvocationPolicy: Unsupported value: "Often": supported values: '
         '"IfNeeded", "Never"'),
        ({"matchConstraints": {"resourceRules": [RULE | {"operations": ["DELETE"]}]}},
         'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", '
         '"CONNECT", "CREATE", "UPDATE"'),
    ],
)  # fmt: skip
def test_what_is_refused(registry: Any, spec: Object, expected: str) -> None:
    assert registry.refused(POLICIES, _policy(**spec)) == [expected]


def test_a_binding(registry: Any) -> None:
    reference = {"name": "x", "parameterNotFoundAction": "Deny"}
    given = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "paramRef": reference}}
    cells = registry.cells(BINDINGS, registry.create(BINDINGS, given))
    assert list(cells.values()) == ["b", "p", "*/x", "0s"]
    assert registry.refused(BINDINGS, {"metadata": {"name": "b"}, "spec": {}}) == ["spec.policyName: Required value"]
