"""Which flow schema a request belongs to (``apiserver/pkg/util/flowcontrol/rule.go``). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.auth.identity import Identity, service_account_name
from apiserver.routes.request import RequestInfo
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object

Rule = dict[str, Any]


def in_order(schemas: Sequence[Object]) -> list[Object]:
    """Schemas as they are tried: by precedence, then by name."""
    return sorted(schemas, key=lambda schema: (schema["spec"].get("matchingPrecedence") or 0, name_of(schema)))


def matches(schema: Object, user: Identity, info: RequestInfo) -> bool:
    """Whether the request is one of the schema's."""
    return any(_rule_matches(rule, user, info) for rule in schema["spec"].get("rules") or ())


def _rule_matches(rule: Rule, user: Identity, info: RequestInfo) -> bool:
    if not any(_subject_matches(subject, user) for subject in rule.get("subjects") or ()):
        return False
    if info.is_resource:
        return any(_resource_matches(each, info) for each in rule.get("resourceRules") or ())
    return any(_path_matches(each, info) for each in rule.get("nonResourceRules") or ())


def _subject_matches(subject: Rule, user: Identity) -> bool:
    match subject.get("kind"):
        case "User":
            return (subject.get("user") or {}).get("name") in ("*", user.name)
        case "Group":
            name = (subject.get("group") or {}).get("name")
            return name == "*" or name in user.groups
        case "ServiceAccount":
            account = subject.get("serviceAccount") or {}
            namespace, name = account.get("namespace") or "", account.get("name") or ""
            if name == "*":
                return user.name.startswith(service_account_name(namespace, ""))
            return user.name == service_account_name(namespace, name)
    return False


def _resource_matches(rule: Rule, info: RequestInfo) -> bool:
    plural = f"{info.plural}/{info.subresource}" if info.subresource else info.plural
    if not (_has(rule, "verbs", info.verb) and _has(rule, "resources", plural) and _has(rule, "apiGroups", info.group)):
        return False
    return _has(rule, "namespaces", info.namespace) if info.namespace else bool(rule.get("clusterScope"))


def _path_matches(rule: Rule, info: RequestInfo) -> bool:
    if not _has(rule, "verbs", info.verb):
        return False
    for path in rule.get("nonResourceURLs") or ():
        if path in ("*", info.path) or (path.endswith("/*") and info.path.startswith(path[:-1])):
            return True
    return False


def _has(rule: Rule, field: str, value: str) -> bool:
    choices = rule.get(field) or ()
    return "*" in choices or value in choices
