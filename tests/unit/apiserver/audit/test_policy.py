"""Which requests the audit log tells of."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.audit.policy import API_VERSION, RECEIVED, Level, Policy
from apiserver.auth.identity import Identity
from apiserver.routes.request import parse_request

JOE = Identity("joe", ("devs",))
PODS = "/api/v1/namespaces/default/pods"


def policy(*rules: dict[str, Any], **settings: Any) -> Policy:
    return Policy({"apiVersion": API_VERSION, "kind": "Policy", "rules": list(rules), **settings})


@pytest.mark.parametrize(
    ("rule", "method", "path", "matches"),
    [
        ({}, "GET", PODS, True),
        ({"users": ["joe"]}, "GET", PODS, True),
        ({"users": ["ann"]}, "GET", PODS, False),
        ({"userGroups": ["devs", "ops"]}, "GET", PODS, True),
        ({"userGroups": ["ops"]}, "GET", PODS, False),
        ({"verbs": ["list"]}, "GET", PODS, True),
        ({"verbs": ["get"]}, "GET", PODS, False),
        ({"verbs": ["watch"]}, "GET", f"{PODS}?watch=1", True),
        ({"namespaces": ["default"]}, "GET", PODS, True),
        ({"namespaces": ["other"]}, "GET", PODS, False),
        ({"namespaces": ["default"]}, "GET", "/healthz", False),
        ({"resources": [{"group": ""}]}, "GET", PODS, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "GET", PODS, True),
        ({"resources": [{"group": "apps", "resources": ["pods"]}]}, "GET", PODS, False),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "GET", f"{PODS}/p/log", False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, "GET", f"{PODS}/p/log", True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, "GET", f"{PODS}/p/log", True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, "GET", f"{PODS}/p/log", True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["q"]}]}, "GET", f"{PODS}/p", False),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["p"]}]}, "GET", f"{PODS}/p", True),
        ({"nonResourceURLs": ["/version"]}, "GET", "/version", True),
        ({"nonResourceURLs": ["/api*"]}, "GET", "/apis", True),
        ({"nonResourceURLs": ["*"]}, "GET", PODS, False),
    ],
)
def test_what_a_rule_matches(rule: dict[str, Any], method: str, path: str, matches: bool) -> None:
    verdict = policy({"level": "Request", **rule}).judge(JOE, parse_request(method, path))
    assert verdict.level is (Level.REQUEST if matches else Level.NONE)


def test_the_first_rule_decides_and_stages_add_up() -> None:
    rules = policy(
        {"level": "None", "verbs": ["watch"]},
        {"level": "RequestResponse", "omitStages": ["Panic"], "omitManagedFields": False},
        omitStages=[RECEIVED],
        omitManagedFields=True,
    )
    assert rules.judge(JOE, parse_request("GET", f"{PODS}?watch=1")).level is Level.NONE
    verdict = rules.judge(JOE, parse_request("GET", PODS))
    assert (verdict.level, verdict.omit_stages) == (Level.REQUEST_RESPONSE, {RECEIVED, "Panic"})
    assert not verdict.omit_managed_fields


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "not a Policy"),
        ({"apiVersion": "v1", "kind": "Policy"}, "not a Policy"),
        ({"apiVersion": API_VERSION, "kind": "Policy"}, "without rules"),
        ({"apiVersion": API_VERSION, "kind": "Policy", "rules": [{}]}, "level None is none of"),
        ({"apiVersion": API_VERSION, "kind": "Policy", "rules": [{"level": "All"}]}, "'All' is none of None, Metadata"),
        ({"apiVersion": API_VERSION, "kind": "Policy", "rules": [{"level": "None", "foo": 1}]}, "unknown field 'foo'"),
        ({"apiVersion": API_VERSION, "kind": "Policy", "rules": [{"level": "None"}], "omitStages": ["x"]}, "stage 'x'"),
        (
            {"apiVersion": API_VERSION, "kind": "Policy",
             "rules": [{"level": "None", "nonResourceURLs": ["/x"], "namespaces": ["y"]}]},
            "not about both",
        ),
    ],
)  # fmt: skip
def test_what_is_no_policy(document: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Policy(document)
