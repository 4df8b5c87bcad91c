"""IPAddresses: one for each address that a Service holds, named like the address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, check, immutable
from apiserver.registry.references import validate_reference
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import NAME, NONE, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_PARENT = "spec.parentRef"


def _name_rule(name: str, _prefix: bool = False) -> list[str]:
    return names.canonical_ip_address(name)


def _parent(address: Object) -> Any:
    return (address.get("spec") or {}).get("parentRef")


def _validate(address: Object, errors: Errors) -> None:
    parent = _parent(address)
    if parent is None:
        errors.append(required(_PARENT))
        return
    validate_reference(parent, _PARENT, errors, needed=("resource", "name"), group="group")
    if parent.get("namespace"):
        check(names.path_segment, parent["namespace"], f"{_PARENT}.namespace", errors)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(_parent(new), _parent(old), _PARENT, errors)


def _cells(address: Object, now: datetime) -> list[Any]:
    parent, shown = _parent(address), NONE
    if parent is not None:
        group = f".{parent['group']}" if parent.get("group") else ""
        parts = [f"{parent.get('resource')}{group}".lower(), parent.get("namespace"), parent.get("name") or ""]
        shown = "/".join(part for part in parts if part)
    return [name_of(address), shown, age(address, now)]


def strategy(resource: Resource) -> KindStrategy:
    """IPAddresses."""
    age_column = Column("Age", description="How long the address has been held.")
    parent_column = Column("ParentRef", description="The object that holds the address.")
    return KindStrategy(
        resource=resource,
        name_rule=_name_rule,
        validate_new=_validate,
        validate_change=_validate_change,
        table=Table((NAME, parent_column, age_column), _cells),
    )
