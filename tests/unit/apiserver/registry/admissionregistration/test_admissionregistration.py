"""Webhook configurations and admission policies."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import (
    MUTATINGWEBHOOKCONFIGURATIONS,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
    VALIDATINGWEBHOOKCONFIGURATIONS,
)

Object = dict[str, Any]
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOK = {
    "name": "a.example.com",
    "clientConfig": {"service": {"namespace": "default", "name": "hook"}},
    "rules": [RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}


def _hooks(**changes: Any) -> Object:
    return {"metadata": {"name": "x"}, "webhooks": [HOOK | changes]}


def _policy(**spec: Any) -> Object:
    given = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]} | spec
    return {"metadata": {"name": "x"}, "spec": given}


def test_webhooks_are_defaulted(registry: Any) -> None:
    created = registry.create(MUTATINGWEBHOOKCONFIGURATIONS, _hooks())
    (hook,) = created["webhooks"]
    assert {key: value for key, value in hook.items() if key not in HOOK} == {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "reinvocationPolicy": "Never",
        "timeoutSeconds": 10,
    }
    assert hook["rules"][0]["scope"] == "*" and hook["clientConfig"]["service"]["port"] == 443
    assert list(registry.cells(MUTATINGWEBHOOKCONFIGURATIONS, created).values()) == ["x", 1, "0s"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "a.b"}, 'webhooks[0].name: Invalid value: "a.b": '
         "should be a domain with at least three segments separated by dots"),
        ({"sideEffects": None}, "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"admissionReviewVersions": []}, "webhooks[0].admissionReviewVersions: Required value: "
         "must specify one of v1, v1beta1"),
        ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds: Invalid value: 31: "
         "the timeout value must be between 1 and 30 seconds"),
        ({"clientConfig": {}}, "webhooks[0].clientConfig: Required value: exactly one of url or service is required"),
        ({"clientConfig": {"url": "http://a"}}, 'webhooks[0].clientConfig.url: Invalid value: "http": '
         "'https' is the only allowed URL scheme; desired format: https://host[/path]"),
        ({"rules": [RULE | {"resources": ["*", "pods"]}]}, "webhooks[0].rules[0].resources: Invalid value: "
         "[\"*\",\"pods\"]: if '*' is present, must not specify other resources without subresources"),
    ],
)  # fmt: skip
def test_what_webhooks_refuse(registry: Any, changes: Object, expected: str) -> None:
    assert registry.refused(VALIDATINGWEBHOOKCONFIGURATIONS, _hooks(**changes)) == [expected]


def test_policies(registry: Any) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    created = registry.create(VALIDATINGADMISSIONPOLICIES, _policy(paramKind=kind))
    assert created["spec"]["failurePolicy"] == "Fail"
    assert created["spec"]["matchConstraints"]["matchPolicy"] == "Equivalent"
    assert list(registry.cells(VALIDATINGADMISSIONPOLICIES, created).values()) == ["x", 1, "v1/ConfigMap", "0s"]


def test_what_policies_refuse(registry: Any) -> None:
    assert registry.refused(VALIDATINGADMISSIONPOLICIES, _policy(matchConstraints=None, validations=[])) == [
        "spec.matchConstraints: Required value",
        "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
        "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
    ]
    assert registry.refused(VALIDATINGADMISSIONPOLICIES, _policy(validations=[{"message": "a\nb"}])) == [
        "spec.validations[0].expression: Required value: expression is not specified",
        'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
    ]


def test_bindings_of_policies(registry: Any) -> None:
    spec = {"policyName": "x", "validationActions": ["Deny"]}
    reference = {"name": "p", "parameterNotFoundAction": "Deny"}
    binding = {"metadata": {"name": "b"}, "spec": spec | {"paramRef": reference}}
    created = registry.create(VALIDATINGADMISSIONPOLICYBINDINGS, binding)
    assert list(registry.cells(VALIDATINGADMISSIONPOLICYBINDINGS, created).values()) == ["b", "x", "*/p", "0s"]
    assert registry.refused(VALIDATINGADMISSIONPOLICYBINDINGS, {"metadata": {"name": "b"}, "spec": {}}) == [
        "spec.policyName: Required value",
        "spec.validationActions: Required value",
    ]
