"""ControllerRevisions: immutable snapshots of a template."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, immutable, nonnegative
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api.fields import required
from minikube_py.api.meta import controller_of, name_of
from minikube_py.api.resources import Resource, split_api_version
from minikube_py.api.types import Object


def _validate(revision: Object, errors: Errors) -> None:
    nonnegative(revision, "revision", "", errors)


def _validate_new(revision: Object, errors: Errors) -> None:
    data = revision.get("data")
    if data is None:
        errors.append(required("data", "data is mandatory"))
    elif not isinstance(data, dict):
        errors.append(required("data", "data must be a valid JSON object"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("data"), old.get("data"), "data", errors)


def _controller(revision: Object) -> str:
    owner = controller_of(revision)
    if owner is None:
        return NONE
    group = split_api_version(owner.get("apiVersion") or "")[0]
    kind = (owner.get("kind") or "").lower()
    return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"


def _cells(revision: Object, now: datetime) -> list[Any]:
    return [name_of(revision), _controller(revision), revision.get("revision") or 0, age(revision, now)]


def strategy(resource: Resource) -> KindStrategy:
    """ControllerRevisions."""
    columns = (
        NAME,
        Column("Controller", description="Whose template it is."),
        Column("Revision", description="Its number among the revisions of its workload."),
        AGE,
    )
    return KindStrategy(
        resource=resource,
        validate=_validate,
        validate_new=_validate_new,
        validate_change=_validate_change,
        table=Table(columns, _cells),
    )
