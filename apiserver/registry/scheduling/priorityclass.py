"""PriorityClasses: how important pods are to each other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, immutable, one_of
from apiserver.registry.context import RequestContext
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api.fields import forbidden
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: The classes that every cluster has, and their values.
SYSTEM_CLASSES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_HIGHEST = 1_000_000_000
_RESERVED = "priority class names with 'system-' prefix are reserved for system use only. error: "
_POLICIES = ("Never", "PreemptLowerPriority")


def _default(priority: Object) -> None:
    if priority.get("preemptionPolicy") is None:
        priority["preemptionPolicy"] = "PreemptLowerPriority"


def _prepare_new(priority: Object, _ctx: RequestContext) -> None:
    priority["metadata"]["generation"] = 1


def _validate_new(priority: Object, errors: Errors) -> None:
    name, value = name_of(priority), priority.get("value") or 0
    if name.startswith("system-"):
        if why := _not_a_system_class(name, value, bool(priority.get("globalDefault"))):
            errors.append(forbidden("metadata.name", _RESERVED + why))
    elif value > _HIGHEST:
        errors.append(forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}"))
    if priority.get("preemptionPolicy") is not None:
        one_of(priority["preemptionPolicy"], _POLICIES, "preemptionPolicy", errors)


def _not_a_system_class(name: str, value: int, default: bool) -> str:
    expected = SYSTEM_CLASSES.get(name)
    if expected is None:
        return f"{name} is not a known system priority class"
    if value != expected:
        return f"value of {name} PriorityClass must be {expected}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    if (new.get("value") or 0) != (old.get("value") or 0):
        errors.append(forbidden("value", "may not be changed in an update."))
    immutable(new.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy", errors)


def _cells(priority: Object, now: datetime) -> list[Any]:
    default, policy = bool(priority.get("globalDefault")), priority.get("preemptionPolicy") or ""
    return [name_of(priority), priority.get("value") or 0, default, age(priority, now), policy]


_TABLE = Table(
    (
        NAME,
        Column("Value", "integer", "The priority of its pods."),
        Column("Global-Default", "boolean", "Whether pods without a class get this one."),
        AGE,
        Column("PreemptionPolicy", description="Whether its pods may drive others out."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PriorityClasses."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        prepare_new=_prepare_new,
        validate_new=_validate_new,
        validate_change=_validate_change,
        table=_TABLE,
    )
