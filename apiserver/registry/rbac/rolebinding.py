"""RoleBindings and ClusterRoleBindings: who may do what a role says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable, one_of, require, require_name
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age, wide
from minikube_py.api import names
from minikube_py.api.fields import not_supported, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_GROUP = "rbac.authorization.k8s.io"
_KINDS = ("ServiceAccount", "User", "Group")


def _default(binding: Object) -> None:
    reference = binding.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = _GROUP
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = _GROUP


def _validator(namespaced: bool) -> Callable[[Object, Errors], None]:
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)

    def validate(binding: Object, errors: Errors) -> None:
        reference = binding.get("roleRef") or {}
        one_of(reference.get("apiGroup") or "", (_GROUP,), "roleRef.apiGroup", errors)
        one_of(reference.get("kind") or "", kinds, "roleRef.kind", errors, listed=kinds)
        require_name(reference, "name", "roleRef", errors, names.path_segment)
        for index, subject in enumerate(binding.get("subjects") or ()):
            _validate_subject(subject, f"subjects[{index}]", errors, namespaced=namespaced)

    return validate


def _validate_subject(subject: Fields, path: str, errors: Errors, *, namespaced: bool) -> None:
    kind, group = subject.get("kind") or "", subject.get("apiGroup") or ""
    named = require(subject, "name", path, errors)
    if kind not in _KINDS:
        errors.append(not_supported(f"{path}.kind", kind, _KINDS))
    elif kind != "ServiceAccount":
        one_of(group, (_GROUP,), f"{path}.apiGroup", errors)
    else:
        if named:
            check(names.subdomain_name, subject["name"], f"{path}.name", errors)
        if group:
            errors.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{path}.namespace"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("roleRef"), old.get("roleRef"), "roleRef", errors)


def _subjects(binding: Object, kind: str) -> str:
    found = (subject for subject in binding.get("subjects") or () if subject.get("kind") == kind)
    if kind == "ServiceAccount":
        return ", ".join(f"{subject.get('namespace') or ''}/{subject.get('name')}" for subject in found)
    return ", ".join(subject.get("name") or "" for subject in found)


def _cells(binding: Object, now: datetime) -> list[Any]:
    reference = binding.get("roleRef") or {}
    people = [_subjects(binding, kind) for kind in ("User", "Group", "ServiceAccount")]
    return [name_of(binding), f"{reference.get('kind')}/{reference.get('name')}", age(binding, now), *people]


_TABLE = Table(
    (
        NAME,
        Column("Role", description="The role that is granted."),
        AGE,
        wide("Users", "Users who have the role."),
        wide("Groups", "Groups whose members have the role."),
        wide("ServiceAccounts", "Service accounts that have the role."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """RoleBindings, or ClusterRoleBindings."""
    return KindStrategy(
        resource=resource,
        name_rule=names.path_segment,
        defaulter=_default,
        validate=_validator(resource.namespaced),
        validate_change=_validate_change,
        table=_TABLE,
        allow_create_on_update=True,
    )
