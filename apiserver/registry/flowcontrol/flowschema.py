"""FlowSchemas: which requests belong to which priority level."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, one_of, require
from apiserver.registry.strategy import MERE_STATUS_RULES, KindStrategy
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, not_supported, required
from minikube_py.api.meta import find_condition, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_DEFAULT_PRECEDENCE, _HIGHEST_PRECEDENCE = 1000, 10000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
#: Subject kinds and the field that each uses, in the order upstream looks at the others.
_SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
_BAD_NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def _default(schema: Object) -> None:
    spec = schema.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = _DEFAULT_PRECEDENCE


def _validate(schema: Object, errors: Errors) -> None:
    spec = schema["spec"]
    _validate_precedence(spec.get("matchingPrecedence") or 0, name_of(schema), errors)
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        errors.append(not_supported("spec.distinguisherMethod.type", method, _METHODS))
    level, path = spec.get("priorityLevelConfiguration") or {}, "spec.priorityLevelConfiguration"
    if require(level, "name", path, errors, "must reference a priority level"):
        check(names.subdomain_name, level["name"], f"{path}.name", errors)
    for index, rule in enumerate(spec.get("rules") or ()):
        _validate_rule(rule, f"spec.rules[{index}]", errors)


def _validate_precedence(precedence: int, name: str, errors: Errors) -> None:
    path = "spec.matchingPrecedence"
    if precedence <= 0:
        errors.append(invalid(path, precedence, "must be a positive value"))
    if precedence > _HIGHEST_PRECEDENCE:
        errors.append(invalid(path, precedence, f"must not be greater than {_HIGHEST_PRECEDENCE}"))
    if precedence == 1 and name != "exempt":
        detail = "only the schema named 'exempt' may have matchingPrecedence 1"
        errors.append(invalid(path, precedence, detail))


def _validate_rule(rule: Fields, path: str, errors: Errors) -> None:
    require(rule, "subjects", path, errors, "subjects must contain at least one value")
    for index, subject in enumerate(rule.get("subjects") or ()):
        _validate_subject(subject, f"{path}.subjects[{index}]", errors)
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        detail = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(required(path, detail))
    for index, item in enumerate(rule.get("resourceRules") or ()):
        _validate_resource_rule(item, f"{path}.resourceRules[{index}]", errors)
    for index, item in enumerate(rule.get("nonResourceRules") or ()):
        _validate_url_rule(item, f"{path}.nonResourceRules[{index}]", errors)


def _validate_subject(subject: Fields, path: str, errors: Errors) -> None:
    kind = subject.get("kind") or ""
    own = _SUBJECTS.get(kind)
    if own is None:
        one_of(kind, _SUBJECTS, f"{path}.kind", errors)
        return
    given, place = subject.get(own), f"{path}.{own}"
    if given is None:
        errors.append(required(place, f"{own} is required when subject kind is '{kind}'"))
    elif require(given, "name", place, errors) and kind == "ServiceAccount" and given["name"] != "*":
        check(names.subdomain_name, given["name"], f"{place}.name", errors)
    if given is not None and kind == "ServiceAccount":
        detail = "must specify namespace for service account"
        if require(given, "namespace", place, errors, detail):
            check(names.label_name, given["namespace"], f"{place}.namespace", errors)
    for other_kind, other in _SUBJECTS.items():
        if other != own and subject.get(other) is not None:
            detail = f"{other} is forbidden when subject kind is not '{other_kind}'"
            errors.append(forbidden(f"{path}.{other}", detail))


def _alone(values: list[str], path: str, what: str, errors: Errors) -> bool:
    """Says whether ``*`` stands for everything; it stands alone then."""
    if "*" in values and len(values) > 1:
        errors.append(invalid(path, values, f"if '*' is present, must not specify other {what}"))
    return "*" in values


def _validate_verbs(rule: Fields, path: str, errors: Errors) -> None:
    verbs, place = rule.get("verbs") or [], f"{path}.verbs"
    if not verbs:
        errors.append(required(place, "verbs must contain at least one value"))
    elif not _alone(verbs, place, "verbs", errors) and not set(verbs) <= set(_VERBS):
        errors.append(not_supported(place, verbs, _VERBS))


def _validate_resource_rule(rule: Fields, path: str, errors: Errors) -> None:
    _validate_verbs(rule, path, errors)
    for name, what in (("apiGroups", "api group"), ("resources", "resource")):
        if require(rule, name, path, errors, f"resource rules must supply at least one {what}"):
            _alone(rule[name], f"{path}.{name}", f"{what}s", errors)
    namespaces, place = rule.get("namespaces") or [], f"{path}.namespaces"
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        errors.append(required(place, detail))
    elif not _alone(namespaces, place, "namespaces", errors):
        for index, namespace in enumerate(namespaces):
            found = names.label_name(namespace)
            errors.extend(invalid(f"{place}[{index}]", namespace, _BAD_NAMESPACE + text) for text in found)


def _validate_url_rule(rule: Fields, path: str, errors: Errors) -> None:
    _validate_verbs(rule, path, errors)
    urls, place = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        errors.append(required(place, "nonResourceURLs must contain at least one value"))
    elif not _alone(urls, place, "non-resource URLs", errors):
        for index, url in enumerate(urls):
            _validate_url(url, f"{place}[{index}]", errors)


def _validate_url(url: str, path: str, errors: Errors) -> None:
    if detail := _url_fault(url):
        errors.append(invalid(path, url, detail))


def _url_fault(url: str) -> str:
    """What is wrong with the path of a non-resource URL, "" if nothing is."""
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    star = url.find("*")
    if star != -1 and (star != len(url) - 1 or url[star - 1] != "/"):
        return "wildcard can only do suffix matching"
    return ""


def _cells(schema: Object, now: datetime) -> list[Any]:
    spec, status = schema.get("spec") or {}, schema.get("status") or {}
    dangling = find_condition(status.get("conditions"), "Dangling")
    return [
        name_of(schema),
        (spec.get("priorityLevelConfiguration") or {}).get("name") or "",
        spec.get("matchingPrecedence") or 0,
        (spec.get("distinguisherMethod") or {}).get("type") or NONE,
        age(schema, now),
        dangling["status"] if dangling else "?",
    ]


_TABLE = Table(
    (
        NAME,
        Column("PriorityLevel", description="The level its requests go to."),
        Column("MatchingPrecedence", description="Lower numbers are looked at first."),
        Column("DistinguisherMethod", description="What tells its flows apart."),
        AGE,
        Column("MissingPL", description="Whether its priority level is not there."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """FlowSchemas."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        subresources={"status": MERE_STATUS_RULES},
        generation_fields=("spec",),
        validate=_validate,
        table=_TABLE,
    )
