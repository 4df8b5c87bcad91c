"""Roles and bindings."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES, Resource

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"


def _role(*rules: Object, **fields: Any) -> Object:
    return {"metadata": {"name": "system:x"}, "rules": list(rules)} | fields


def _binding(*subjects: Object, kind: str = "ClusterRole") -> Object:
    return {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": "admin"}, "subjects": list(subjects)}


@pytest.mark.parametrize("resource", [ROLES, CLUSTERROLES], ids=lambda r: r.kind)
def test_rules_are_complete(registry: Any, resource: Resource) -> None:
    assert registry.refused(resource, _role({})) == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]
    registry.create(resource, _role({"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}))


def test_urls_belong_to_no_namespace(registry: Any) -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}
    registry.create(CLUSTERROLES, _role(rule))
    assert registry.refused(ROLES, _role(rule)) == [
        'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs'
    ]


def test_aggregation_selects_something(registry: Any) -> None:
    assert registry.refused(CLUSTERROLES, _role(aggregationRule={})) == [
        "aggregationRule.clusterRoleSelectors: Required value: "
        "at least one clusterRoleSelector required if aggregationRule is non-nil"
    ]


def test_bindings_are_defaulted_and_keep_their_role(registry: Any) -> None:
    account = {"kind": "ServiceAccount", "namespace": "default", "name": "bot"}
    binding = registry.create(ROLEBINDINGS, _binding({"kind": "User", "name": "ann"}, account))
    assert binding["roleRef"]["apiGroup"] == GROUP
    assert [subject.get("apiGroup") for subject in binding["subjects"]] == [GROUP, None]
    row = registry.cells(ROLEBINDINGS, binding)
    assert [row[name] for name in ("Role", "Users", "Groups", "ServiceAccounts")] == [
        "ClusterRole/admin",
        "ann",
        "",
        "default/bot",
    ]
    other = binding | {"roleRef": binding["roleRef"] | {"name": "edit"}}
    (refused,) = registry.update_refused(ROLEBINDINGS, other, binding)
    assert refused.startswith("roleRef: Invalid value: ") and refused.endswith(": field is immutable")


def test_what_bindings_refuse(registry: Any) -> None:
    subjects = ({"kind": "Robot", "name": "r"}, {"kind": "ServiceAccount", "name": "bot"}, {"kind": "Group"})
    assert registry.refused(CLUSTERROLEBINDINGS, _binding(*subjects, kind="Role")) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
        "subjects[1].namespace: Required value",
        "subjects[2].name: Required value",
    ]
