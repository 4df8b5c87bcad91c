"""ResourceQuotas: how much a namespace may hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import IMMUTABLE, Errors, Fields
from apiserver.registry.quantities import (
    amount,
    canonical,
    default_resource_list,
    is_standard_quota,
    validate_amount,
    validate_quota_resource_name,
)
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_POD_RESOURCES = frozenset(
    {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
)  # fmt: skip
_CLAIM_RESOURCES = frozenset({"persistentvolumeclaims", "requests.storage"})
_LIMITED_BY: dict[str, frozenset[str]] = dict.fromkeys(
    ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"), _POD_RESOURCES
) | {"BestEffort": frozenset({"pods"}), "VolumeAttributesClass": _CLAIM_RESOURCES}
_EXISTENCE = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_PAIRS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_EXISTS_ONLY = "must be 'Exists' when scope is any of " + (
    "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
    "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_NO_VALUES = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
_SOME_VALUES = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
_WARNED = ("cpu", "memory", "storage", "ephemeral-storage")


def _default(quota: Object) -> None:
    default_resource_list((quota.get("spec") or {}).get("hard"))
    for name in ("hard", "used"):
        default_resource_list((quota.get("status") or {}).get(name))


def _validate_amounts(amounts: Fields | None, path: str, errors: Errors) -> None:
    for name, value in (amounts or {}).items():
        validate_quota_resource_name(name, f"{path}[{name}]", errors)
        validate_amount(name, value, f"{path}[{name}]", errors)


def _validate(quota: Object, errors: Errors) -> None:
    spec = quota.get("spec") or {}
    hard, scopes = spec.get("hard") or {}, spec.get("scopes") or []
    _validate_amounts(hard, "spec.hard", errors)
    for scope in scopes:
        if scope not in _LIMITED_BY:
            errors.append(invalid("spec.scopes", scopes, "unsupported scope"))
        _validate_reach(scope, hard, "spec.scopes", scopes, errors)
    _validate_pairs(set(scopes), "spec.scopes", scopes, errors)
    if spec.get("scopeSelector") is not None:
        _validate_selector(spec["scopeSelector"], hard, scopes, errors)


def _validate_reach(scope: str, hard: Fields, path: str, shown: Any, errors: Errors) -> None:
    """That a scope can limit every resource of the quota."""
    reach = _LIMITED_BY.get(scope)
    if reach is not None:
        beyond = [name for name in sorted(hard) if is_standard_quota(name) and name not in reach]
        errors.extend(invalid(path, shown, "unsupported scope applied to resource") for _ in beyond)


def _validate_pairs(scopes: set[str], path: str, shown: Any, errors: Errors) -> None:
    for pair in _PAIRS:
        if scopes.issuperset(pair):
            errors.append(invalid(path, shown, "conflicting scopes"))


def _validate_selector(selector: Fields, hard: Fields, scopes: list[str], errors: Errors) -> None:
    path = "spec.scopeSelector.matchExpressions"
    expressions = selector.get("matchExpressions") or []
    for expression in expressions:
        scope = expression.get("scopeName") or ""
        if scope not in _LIMITED_BY:
            errors.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        _validate_reach(scope, hard, path, selector, errors)
        _validate_expression(expression, scope, path, errors)
    _validate_pairs({item.get("scopeName") or "" for item in expressions}, path, scopes, errors)


def _validate_expression(expression: Fields, scope: str, path: str, errors: Errors) -> None:
    operator, values = expression.get("operator") or "", expression.get("values") or []
    if scope in _EXISTENCE and operator != "Exists":
        errors.append(invalid(f"{path}.operator", operator, _EXISTS_ONLY))
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", _SOME_VALUES))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            errors.append(invalid(f"{path}.values", values, _NO_VALUES))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    scopes = [(obj.get("spec") or {}).get("scopes") or [] for obj in (new, old)]
    if set(scopes[0]) != set(scopes[1]):
        errors.append(invalid("spec.scopes", scopes[0], IMMUTABLE))


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    status = new.get("status") or {}
    for name in ("hard", "used"):
        _validate_amounts(status.get(name), f"status.{name}", errors)


def _warn(quota: Object, old: Object | None) -> list[str]:
    hard, warnings = (quota.get("spec") or {}).get("hard") or {}, []
    for name in _WARNED if old is None else ():
        request, limit = f"requests.{name}", f"limits.{name}"
        if request not in hard and name in ("cpu", "memory"):
            request = name
        if request in hard and limit in hard and amount(hard[request]) > amount(hard[limit]):
            shown = f"{request} ({canonical(hard[request])}) should be less than {limit} ({canonical(hard[limit])})"
            warnings.append(f"ResourceQuota {shown}")
    return warnings


def _cells(quota: Object, now: datetime) -> list[Any]:
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    shown = {
        name: f"{name}: {canonical(used.get(name) or '0')}/{canonical(hard[name])}" for name in sorted(hard)
    }  # fmt: skip
    requests = ", ".join(text for name, text in shown.items() if not name.startswith("limits."))
    limits = ", ".join(text for name, text in shown.items() if name.startswith("limits."))
    return [name_of(quota), requests, limits, age(quota, now)]


_TABLE = Table(
    (
        NAME,
        Column("Request", description="What is used of what may be requested, and of counts."),
        Column("Limit", description="What is used of what limits may add up to."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """ResourceQuotas."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=_TABLE,
        warner=_warn,
    )
