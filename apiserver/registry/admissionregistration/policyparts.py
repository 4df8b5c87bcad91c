"""What validating and mutating policies have in common: the requests they match, their parameters, their variables."""

from __future__ import annotations

from collections.abc import Collection
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
from apiserver.registry.table import AGE, NAME, Column, Table, age, format_selector
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object

_EXCLUSIVE = "name and selector are mutually exclusive"


def default_policy(policy: Object) -> None:
    """What a policy leaves open: a failure counts, and all requests are looked at."""
    spec = policy.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    _default_match(spec.get("matchConstraints"))


def _default_match(resources: Fields | None) -> None:
    if resources is not None:
        default_matching(resources)
        default_rules(resources.get("resourceRules"))
        default_rules(resources.get("excludeResourceRules"))


def validate_policy(spec: Fields, errors: Errors, *, operations: Collection[str] = ()) -> None:
    """What every policy has. ``operations`` are those it may match where not all are allowed."""
    one_of(spec["failurePolicy"], ("Fail", "Ignore"), "spec.failurePolicy", errors)
    if spec.get("paramKind") is not None:
        _validate_param_kind(spec["paramKind"], "spec.paramKind", errors)
    constraints = spec.get("matchConstraints")
    if constraints is None:
        errors.append(required("spec.matchConstraints"))
    else:
        _validate_match(constraints, "spec.matchConstraints", errors)
        require(constraints, "resourceRules", "spec.matchConstraints", errors)
        validate_operations(constraints, "spec.matchConstraints", operations, errors)
    validate_match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", errors)
    for index, variable in enumerate(spec.get("variables") or ()):
        _validate_variable(variable, f"spec.variables[{index}]", errors)


def validate_operations(resources: Fields, path: str, operations: Collection[str], errors: Errors) -> None:
    """That only ``operations`` are matched, where that is limited at all."""
    given = [each for rule in resources.get("resourceRules") or () for each in rule.get("operations") or ()]
    for operation in given if operations else ():
        one_of(operation, operations, f"{path}.resourceRules.operations", errors)


def _param_kind(policy: Object) -> str:
    """The kind of a policy's parameters as tables show it."""
    kind = (policy.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"


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
    """Which requests a policy looks at."""
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


def policy_table(field: str, column: str, description: str) -> Table:
    """The columns of a policy whose expressions are in ``field`` of its spec."""

    def cells(policy: Object, now: datetime) -> list[Any]:
        count = len((policy.get("spec") or {}).get(field) or ())
        return [name_of(policy), count, _param_kind(policy), age(policy, now)]

    columns = (
        NAME,
        Column(column, "integer", description),
        Column("ParamKind", description="The kind of its parameters."),
    )
    return Table((*columns, AGE), cells)


def default_binding(binding: Object) -> None:
    """What a binding leaves open."""
    _default_match(binding.setdefault("spec", {}).get("matchResources"))


def validate_binding(spec: Fields, errors: Errors) -> None:
    """The policy, the parameters and the place of any binding."""
    require_name(spec, "policyName", "spec", errors, names.subdomain_name)
    if spec.get("paramRef") is not None:
        _validate_reference(spec["paramRef"], "spec.paramRef", errors)
    if spec.get("matchResources") is not None:
        _validate_match(spec["matchResources"], "spec.matchResources", errors)


def _validate_reference(reference: Fields, path: str, errors: Errors) -> None:
    """The parameters of a binding: one object by name, or those that a selector finds."""
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


BINDING_TABLE = Table(
    (
        NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="Its parameters."),
        AGE,
    ),
    _binding_cells,
)
