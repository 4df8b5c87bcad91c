"""RBAC rules: what one allows, what covers what, and the table of defaults."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.auth.access import Access
from apiserver.auth.defaults import default_objects, parse_rule
from apiserver.auth.rules import allows, describe, uncovered

PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "*/status"]}
NAMED = {"verbs": ["update"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"]}
PATHS = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"]}
ALL = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


@pytest.mark.parametrize(
    ("rule", "access", "expected"),
    [
        (PODS, Access("get", resource="pods"), True),
        (PODS, Access("delete", resource="pods"), False),
        (PODS, Access("get", group="apps", resource="pods"), False),
        (PODS, Access("get", resource="pods", subresource="log"), False),
        (PODS, Access("get", resource="services", subresource="status"), True),
        (NAMED, Access("update", group="apps", resource="deployments", name="d"), True),
        (NAMED, Access("update", group="apps", resource="deployments", name="e"), False),
        (NAMED, Access("update", group="apps", resource="deployments"), False),
        (PATHS, Access("get", path="/api/v1"), True),
        (PATHS, Access("get", path="/healthz/x"), False),
        (ALL, Access("delete", group="x", resource="y", subresource="z"), True),
        (ALL, Access("get", path="/api"), False),
    ],
)
def test_what_a_rule_allows(rule: dict[str, Any], access: Access, expected: bool) -> None:
    assert allows(rule, access) is expected


def test_cover_is_found_permission_by_permission() -> None:
    wanted = [{"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]}]
    left = uncovered([PODS], wanted)
    assert [(rule["verbs"][0], rule["resources"][0]) for rule in left] == [
        ("get", "secrets"), ("delete", "pods"), ("delete", "secrets"),
    ]  # fmt: skip
    assert uncovered([ALL], wanted) == []
    assert uncovered([NAMED], [{**NAMED, "resourceNames": ["d"]}]) == []
    assert len(uncovered([NAMED], [{**NAMED, "resourceNames": []}])) == 1, "all names are more than one name"
    assert describe(left[0]) == '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'


def test_the_table_of_rules_reads_as_it_looks() -> None:
    lines = ('get list | "" apps | pods | a b', "get | /api /apis/*", "* | *")
    assert [parse_rule(line) for line in lines] == [
        {"verbs": ["get", "list"], "apiGroups": ["", "apps"], "resources": ["pods"], "resourceNames": ["a", "b"]},
        {"verbs": ["get"], "nonResourceURLs": ["/api", "/apis/*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ]


def test_every_binding_has_its_role() -> None:
    objects = list(default_objects())
    roles = {obj["metadata"]["name"] for resource, obj in objects if resource.kind == "ClusterRole"}
    bound = {obj["roleRef"]["name"] for resource, obj in objects if resource.kind == "ClusterRoleBinding"}
    assert bound <= roles
    assert {"cluster-admin", "admin", "edit", "view", "system:node", "system:kube-scheduler"} <= roles
