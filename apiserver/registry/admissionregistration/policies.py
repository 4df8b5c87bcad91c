"""ValidatingAdmissionPolicies and their bindings. Expressions are checked for being there; CEL is not compiled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.admissionregistration.rules import (
    default_matching,
    default_rules,
    validate_match_conditions,
    validate_matching,
    validate_rule,
)
from apiserver.registry.checks import Errors, Fields, check, one_of, require, require_name, require_one_of, unique
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age, format_selector
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_EITHER = "validations or auditAnnotations must contain at least one item"
_MOST_AUDITS = 20
_REPEATS = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response "
    "and headers serves no purpose)"
)
_EXCLUSIVE = "name and selector are mutually exclusive"


def _default_match(resources: Fields | None) -> None:
    if resources is not None:
        default_matching(resources)
        default_rules(resources.get("resourceRules"))
        default_rules(resources.get("excludeResourceRules"))


def _default(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    _default_match(spec.get("matchConstraints"))


def _validate(policy: Object, errors: Errors) -> None:
    spec = policy["spec"]
    one_of(spec["failurePolicy"], ("Fail", "Ignore"), "spec.failurePolicy", errors)
    if spec.get("paramKind") is not None:
        _validate_param_kind(spec["paramKind"], "spec.paramKind", errors)
    constraints = spec.get("matchConstraints")
    if constraints is None:
        errors.append(required("spec.matchConstraints"))
    else:
        _validate_match(constraints, "spec.matchConstraints", errors)
        require(constraints, "resourceRules", "spec.matchConstraints", errors)
    validate_match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", errors)
    for index, variable in enumerate(spec.get("variables") or ()):
        _validate_variable(variable, f"spec.variables[{index}]", errors)
    validations, audits = spec.get("validations") or (), spec.get("auditAnnotations") or []
    if not validations and not audits:
        errors.extend(required(f"spec.{name}", _EITHER) for name in ("validations", "auditAnnotations"))
    for index, validation in enumerate(validations):
        _validate_validation(validation, f"spec.validations[{index}]", errors)
    _validate_audits(audits, name_of(policy), "spec.auditAnnotations", errors)


def _validate_param_kind(kind: Fields, path: str, errors: Errors) -> None:
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    group, _, bare = version.rpartition("/")
    if not version:
        errors.append(required(f"{path}.apiVersion"))
    elif "/" in group:
        errors.append(invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    else:
        if group and (found := names.dns1123_subdomain(group)):
            errors.append(invalid(f"{path}.apiVersion", group, ",".join(found)))
        if not bare:
            errors.append(invalid(f"{path}.apiVersion", version, "version must be specified"))
        elif found := names.dns1035_label(bare):
            errors.append(invalid(f"{path}.apiVersion", bare, ",".join(found)))
    if not name:
        errors.append(required(f"{path}.kind"))
    elif found := names.dns1035_label(name.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(found)}"
        errors.append(invalid(f"{path}.kind", name, detail))


def _validate_match(resources: Fields, path: str, errors: Errors) -> None:
    validate_matching(resources, path, errors)
    for kind in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(resources.get(kind) or ()):
            place = f"{path}.{kind}[{index}]"
            _validate_names(rule.get("resourceNames") or [], f"{place}.resourceNames", errors)
            validate_rule(rule, place, errors)


def _validate_names(named: list[str], path: str, errors: Errors) -> None:
    for index, name in enumerate(named):
        check(names.path_segment, name, f"{path}[{index}]", errors)
    unique(named, lambda index: f"{path}[{index}]", errors)


def _validate_variable(variable: Fields, path: str, errors: Errors) -> None:
    name = (variable.get("name") or "").strip()
    if not name:
        errors.append(required(f"{path}.name", "name is not specified"))
    elif names.c_identifier(name):
        errors.append(invalid(f"{path}.name", variable["name"], "must be a valid CEL identifier"))
    if not (variable.get("expression") or "").strip():
        errors.append(required(f"{path}.expression", "expression is not specified"))


def _validate_validation(validation: Fields, path: str, errors: Errors) -> None:
    if not (validation.get("expression") or "").strip():
        errors.append(required(f"{path}.expression", "expression is not specified"))
    for name in ("messageExpression", "message"):
        text = validation.get(name) or ""
        if text and not text.strip():
            errors.append(invalid(f"{path}.{name}", text, "must be non-empty if specified"))
        elif name == "message" and any(end in text.strip() for end in "\r\n"):
            errors.append(invalid(f"{path}.message", text, "must not contain line breaks"))
    if validation.get("reason") is not None:
        one_of(validation["reason"], _REASONS, f"{path}.reason", errors)


def _validate_audits(audits: list[Fields], policy: str, path: str, errors: Errors) -> None:
    if len(audits) > _MOST_AUDITS:
        detail = f"must not have more than {_MOST_AUDITS} auditAnnotations"
        errors.append(invalid(path, audits, detail))
    for index, audit in enumerate(audits):
        key = audit.get("key") or ""
        found = names.qualified_name(f"{policy}/{key}")
        errors.extend(invalid(f"{path}[{index}].key", f"{policy}/{key}", text) for text in found)
        if not (audit.get("valueExpression") or "").strip():
            detail = "valueExpression is not specified"
            errors.append(required(f"{path}[{index}].valueExpression", detail))
    unique([audit.get("key") or "" for audit in audits], lambda index: f"{path}[{index}].key", errors)


def _cells(policy: Object, now: datetime) -> list[Any]:
    spec = policy.get("spec") or {}
    kind = spec.get("paramKind")
    shown = f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"
    return [name_of(policy), len(spec.get("validations") or ()), shown, age(policy, now)]


_TABLE = Table(
    (
        NAME,
        Column("Validations", "integer", "How many expressions it checks."),
        Column("ParamKind", description="The kind of its parameters."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """ValidatingAdmissionPolicies."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        generation_fields=("spec",),
        validate=_validate,
        table=_TABLE,
        allow_unconditional_update=False,
    )


def _default_binding(binding: Object) -> None:
    _default_match(binding.setdefault("spec", {}).get("matchResources"))


def _validate_binding(binding: Object, errors: Errors) -> None:
    spec = binding["spec"]
    require_name(spec, "policyName", "spec", errors, names.subdomain_name)
    if spec.get("paramRef") is not None:
        _validate_reference(spec["paramRef"], "spec.paramRef", errors)
    if spec.get("matchResources") is not None:
        _validate_match(spec["matchResources"], "spec.matchResources", errors)
    actions, path = spec.get("validationActions") or [], "spec.validationActions"
    for index, action in enumerate(actions):
        one_of(action, _ACTIONS, f"{path}[{index}]", errors)
    unique(actions, lambda index: f"{path}[{index}]", errors)
    if {"Deny", "Warn"} <= set(actions):
        errors.append(invalid(path, actions, _REPEATS))
    if not actions:
        errors.append(required(path))


def _validate_reference(reference: Fields, path: str, errors: Errors) -> None:
    name, selector = reference.get("name"), reference.get("selector")
    if name:
        check(names.path_segment, name, f"{path}.name", errors)
        if selector is not None:
            errors.append(forbidden(f"{path}.name", _EXCLUSIVE))
    if selector is not None:
        validate_label_selector(selector, f"{path}.selector", errors)
        if name:
            errors.append(forbidden(f"{path}.selector", _EXCLUSIVE))
    if not name and selector is None:
        errors.append(required(path, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    place = f"{path}.parameterNotFoundAction"
    require_one_of(action, ("Allow", "Deny"), place, errors, listed=("Deny", "Allow"))


def _binding_cells(binding: Object, now: datetime) -> list[Any]:
    spec = binding.get("spec") or {}
    reference, shown = spec.get("paramRef") or {}, "<unset>"
    if reference.get("name"):
        shown = f"{reference.get('namespace') or '*'}/{reference['name']}"
    elif reference.get("selector") is not None:
        shown = format_selector(reference["selector"])
    return [name_of(binding), spec.get("policyName") or "", shown, age(binding, now)]


_BINDING_TABLE = Table(
    (
        NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="Its parameters."),
        AGE,
    ),
    _binding_cells,
)


def binding_strategy(resource: Resource) -> KindStrategy:
    """ValidatingAdmissionPolicyBindings."""
    return KindStrategy(
        resource=resource,
        defaulter=_default_binding,
        generation_fields=("spec",),
        validate=_validate_binding,
        table=_BINDING_TABLE,
        allow_unconditional_update=False,
    )
