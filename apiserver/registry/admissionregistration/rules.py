"""Rules of webhooks and policies: which writes they are about."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check, one_of, require, unique
from apiserver.registry.labelselectors import validate_label_selector
from minikube_py.api import names
from minikube_py.api.fields import invalid, required, too_many

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_MOST_CONDITIONS = 64


def default_rules(rules: list[Fields] | None) -> None:
    """The scope of rules that name none is any."""
    for rule in rules or ():
        if rule.get("scope") is None:
            rule["scope"] = "*"


def default_matching(fields: Fields) -> None:
    """Policy and selectors that webhooks and policies share."""
    if fields.get("matchPolicy") is None:
        fields["matchPolicy"] = "Equivalent"
    for name in ("namespaceSelector", "objectSelector"):
        if fields.get(name) is None:
            fields[name] = {}


def validate_matching(fields: Fields, path: str, errors: Errors) -> None:
    """What ``default_matching`` fills in."""
    if fields.get("matchPolicy") is not None:
        one_of(fields["matchPolicy"], ("Equivalent", "Exact"), f"{path}.matchPolicy", errors)
    for name in ("namespaceSelector", "objectSelector"):
        validate_label_selector(fields.get(name), f"{path}.{name}", errors)


def validate_rule(rule: Fields, path: str, errors: Errors) -> None:
    """``RuleWithOperations``."""
    operations = rule.get("operations") or []
    require(rule, "operations", path, errors)
    _alone(operations, f"{path}.operations", "operations", errors)
    for index, operation in enumerate(operations):
        one_of(operation, OPERATIONS, f"{path}.operations[{index}]", errors)
    require(rule, "apiGroups", path, errors)
    _alone(rule.get("apiGroups") or [], f"{path}.apiGroups", "API groups", errors)
    require(rule, "apiVersions", path, errors)
    _alone(rule.get("apiVersions") or [], f"{path}.apiVersions", "API versions", errors)
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            errors.append(required(f"{path}.apiVersions[{index}]"))
    _validate_resources(rule.get("resources") or [], f"{path}.resources", errors)
    if rule.get("scope") is not None:
        one_of(rule["scope"], _SCOPES, f"{path}.scope", errors)


def _alone(values: list[str], path: str, what: str, errors: Errors) -> None:
    if len(values) > 1 and "*" in values:
        errors.append(invalid(path, values, f"if '*' is present, must not specify other {what}"))


def _validate_resources(resources: list[str], path: str, errors: Errors) -> None:
    if not resources:
        errors.append(required(path))
    whole, everywhere, plain = set[str](), set[str](), False
    for index, text in enumerate(resources):
        resource, slash, subresource = text.partition("/")
        if not text:
            errors.append(required(f"{path}[{index}]"))
        if not text or not slash:
            plain = plain if not text else text != "*"
            continue
        if resource in whole:
            detail = f"if '{resource}/*' is present, must not specify {text}"
            errors.append(invalid(f"{path}[{index}]", text, detail))
        if subresource in everywhere:
            detail = f"if '*/{subresource}' is present, must not specify {text}"
            errors.append(invalid(f"{path}[{index}]", text, detail))
        whole |= {resource} if subresource == "*" else set()
        everywhere |= {subresource} if resource == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        errors.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and plain:
        detail = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid(path, resources, detail))


def validate_match_conditions(conditions: list[Fields], path: str, errors: Errors) -> None:
    """CEL conditions have a name of their own and an expression (which is not compiled here)."""
    if len(conditions) > _MOST_CONDITIONS:
        errors.append(too_many(path, len(conditions), _MOST_CONDITIONS))
    for index, condition in enumerate(conditions):
        place = f"{path}[{index}]"
        if not (condition.get("expression") or "").strip():
            errors.append(required(f"{place}.expression"))
        if require(condition, "name", place, errors):
            check(names.qualified_name, condition["name"], f"{place}.name", errors)
    named = [condition.get("name") for condition in conditions]
    unique([name for name in named if name], lambda index: f"{path}[{index}].name", errors)
