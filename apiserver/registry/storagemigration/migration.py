"""StorageVersionMigrations (KEP-4192): a resource whose stored objects are to be written anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import IMMUTABLE, Errors, immutable
from apiserver.registry.conditions import is_true, validate_conditions
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import Column, Table
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_STATES = ("Running", "Succeeded", "Failed")
_CONDITIONS = "status.conditions"


def _validate(migration: Object, errors: Errors) -> None:
    target = (migration.get("spec") or {}).get("resource") or {}
    plural, group = target.get("resource") or "", target.get("group") or ""
    if not plural:
        errors.append(required("spec.resource.resource", "resource is required to be set"))
    elif found := names.dns1035_label(plural):
        errors.append(invalid("spec.resource.resource", plural, ",".join(found)))
    if group and (found := names.dns1123_subdomain(group)):
        errors.append(invalid("spec.resource.group", group, ",".join(found)))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("spec"), old.get("spec"), "spec", errors)


def _validate_status(new: Object, old: Object, errors: Errors) -> None:
    status, before = new.get("status") or {}, (old.get("status") or {}).get("resourceVersion")
    version, conditions = status.get("resourceVersion") or "", status.get("conditions") or []
    if version and not (version.isascii() and version.isdigit()):
        errors.append(invalid("status.resourceVersion", version, f"resource version is not well formed: {version}"))
    validate_conditions(conditions, _CONDITIONS, errors)
    if before and before != version:
        errors.append(invalid("status.resourceVersion", version, IMMUTABLE))
    if is_true(new, "Succeeded") and is_true(new, "Failed"):
        detail = "Both success and failed conditions cannot be true at the same time"
        errors.append(invalid(_CONDITIONS, conditions, detail))
    for kind, word in (("Succeeded", "Success"), ("Failed", "Failed")):
        if is_true(old, kind) and not is_true(new, kind):
            detail = f"{word} condition cannot be set to false once it is true"
            errors.append(invalid(_CONDITIONS, conditions, detail))


def _cells(migration: Object, _now: datetime) -> list[Any]:
    target = (migration.get("spec") or {}).get("resource") or {}
    shown = ".".join(part for part in (target.get("resource"), target.get("group")) if part)
    state = [kind for kind in _STATES if is_true(migration, kind)]
    return [name_of(migration), shown, state[-1] if state else "Unknown"]


_TABLE = Table(
    (
        Column("Name", description="The migration's name."),
        Column("Resource", description="What is migrated."),
        Column("Status", description="How far it got."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """StorageVersionMigrations."""
    return KindStrategy(
        resource=resource,
        has_status=True,
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=_TABLE,
        allow_unconditional_update=False,
    )
