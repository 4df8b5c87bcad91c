"""PodDisruptionBudgets: how many pods of a set must stay when pods are evicted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, nonnegative, one_of
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, NAME, Column, Table, age
from apiserver.registry.workload import validate_at_most_all, validate_int_or_percent
from minikube_py.api import names
from minikube_py.api.fields import invalid
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_BOUNDS = ("minAvailable", "maxUnavailable")


def _validate(budget: Object, errors: Errors) -> None:
    spec = budget.get("spec") or {}
    given = [name for name in _BOUNDS if spec.get(name) is not None]
    if len(given) == 2:
        errors.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for name in given:
        validate_int_or_percent(spec[name], f"spec.{name}", errors)
        validate_at_most_all(spec[name], f"spec.{name}", errors)
    validate_label_selector(spec.get("selector"), "spec.selector", errors)
    if spec.get("unhealthyPodEvictionPolicy") is not None:
        one_of(spec["unhealthyPodEvictionPolicy"], _POLICIES, "spec.unhealthyPodEvictionPolicy", errors)


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    for name in _COUNTS:
        nonnegative(new.get("status") or {}, name, "status", errors)


def _cells(budget: Object, now: datetime) -> list[Any]:
    spec = budget.get("spec") or {}
    bounds = ["N/A" if spec.get(name) is None else str(spec[name]) for name in _BOUNDS]
    allowed = (budget.get("status") or {}).get("disruptionsAllowed") or 0
    return [name_of(budget), *bounds, allowed, age(budget, now)]


_TABLE = Table(
    (
        NAME,
        Column("Min Available", description="How many pods must stay."),
        Column("Max Unavailable", description="How many pods may be missing."),
        Column("Allowed Disruptions", "integer", "How many pods may be evicted now."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PodDisruptionBudgets."""
    return KindStrategy(
        resource=resource,
        name_rule=names.path_segment,
        has_status=True,
        new_status=lambda: dict.fromkeys(_COUNTS, 0),
        generation_fields=("spec",),
        validate=_validate,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=_TABLE,
        allow_unconditional_update=False,
    )
