"""Namespaces: born with a finalizer in spec, and marked Terminating until ``finalize`` takes it away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, check
from apiserver.registry.context import RequestContext
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status, keep_status
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api.fields import invalid
from minikube_py.api.meta import name_of
from minikube_py.api.names import label_name, qualified_name
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

FINALIZER = "kubernetes"
STANDARD_FINALIZERS = frozenset({FINALIZER, "orphan", "foregroundDeletion"})


def _default(namespace: Object) -> None:
    meta = namespace.setdefault("metadata", {})
    if meta.get("name"):
        meta["labels"] = (meta.get("labels") or {}) | {"kubernetes.io/metadata.name": meta["name"]}
    namespace.setdefault("spec", {})
    status = namespace.setdefault("status", {})
    status["phase"] = status.get("phase") or "Active"


def _prepare_new(namespace: Object, _ctx: RequestContext) -> None:
    namespace["status"] = {"phase": "Active"}
    spec = namespace.setdefault("spec", {})
    finalizers = spec.get("finalizers") or []
    if FINALIZER not in finalizers:
        spec["finalizers"] = [*finalizers, FINALIZER]
    meta = namespace["metadata"]
    if meta.get("name"):
        meta["labels"] = (meta.get("labels") or {}) | {"kubernetes.io/metadata.name": meta["name"]}


def _prepare_change(new: Object, old: Object, _ctx: RequestContext) -> None:
    new["spec"] = (new.get("spec") or {}) | {"finalizers": (old.get("spec") or {}).get("finalizers") or []}


def _prepare_finalize(new: Object, old: Object, _ctx: RequestContext) -> None:
    keep_status(new, old)


def _validate(namespace: Object, errors: Errors) -> None:
    for name in (namespace.get("spec") or {}).get("finalizers") or ():
        validate_spec_finalizer(name, "spec.finalizers", errors)


def validate_spec_finalizer(name: str, path: str, errors: Errors) -> None:
    """A finalizer: qualified with a domain unless it is one of Kubernetes' own."""
    check(qualified_name, name, path, errors)
    if "/" not in name and name not in STANDARD_FINALIZERS:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        errors.append(invalid(path, name, detail))


def _validate_finalize(new: Object, _old: Object, errors: Errors) -> None:
    for index, name in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        validate_spec_finalizer(name, f"spec.finalizers[{index}]", errors)


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    phase = (new.get("status") or {}).get("phase") or ""
    deleting = bool(new["metadata"].get("deletionTimestamp"))
    if deleting and phase != "Terminating":
        detail = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        errors.append(invalid("status.Phase", phase, detail))
    if not deleting and phase != "Active":
        detail = "may only be 'Active' if `deletionTimestamp` is empty"
        errors.append(invalid("status.Phase", phase, detail))


def _cells(namespace: Object, now: datetime) -> list[Any]:
    return [name_of(namespace), (namespace.get("status") or {}).get("phase") or "", age(namespace, now)]


def strategy(resource: Resource) -> KindStrategy:
    """Namespaces. Status and finalize keep each other's fields."""
    return KindStrategy(
        resource=resource,
        name_rule=label_name,
        defaulter=_default,
        has_status=True,
        prepare_new=_prepare_new,
        prepare_change=_prepare_change,
        validate=_validate,
        revalidate=False,
        subresources={
            "status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status),
            "finalize": UpdateRules(prepare=_prepare_finalize, validate=_validate_finalize),
        },
        table=Table((NAME, Column("Status", description="Active or Terminating."), AGE), _cells),
    )
