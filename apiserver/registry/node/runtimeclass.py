"""RuntimeClasses: which runtime a node's agent runs a pod with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, immutable, require_name
from apiserver.registry.core.podspec.scheduling import validate_tolerations
from apiserver.registry.metadata import validate_labels
from apiserver.registry.quantities import default_resource_list, validate_requirements
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import duplicate
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


def _default(runtime: Object) -> None:
    default_resource_list((runtime.get("overhead") or {}).get("podFixed"))


def _validate_new(runtime: Object, errors: Errors) -> None:
    require_name(runtime, "handler", "", errors, names.label_name)
    if runtime.get("overhead") is not None:
        validate_requirements({"limits": runtime["overhead"].get("podFixed")}, "overhead", errors)
    scheduling = runtime.get("scheduling") or {}
    validate_labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector", errors)
    tolerations = scheduling.get("tolerations") or []
    validate_tolerations(tolerations, "scheduling.tolerations", errors)
    seen: set[tuple[Any, ...]] = set()
    for index, toleration in enumerate(tolerations):
        key = tuple(toleration.get(name) or "" for name in ("key", "operator", "value", "effect"))
        if key in seen:
            errors.append(duplicate(f"scheduling.tolerations[{index}]", toleration))
        seen.add(key)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("handler"), old.get("handler"), "handler", errors)


def _cells(runtime: Object, now: datetime) -> list[Any]:
    return [name_of(runtime), runtime.get("handler") or "", age(runtime, now)]


def strategy(resource: Resource) -> KindStrategy:
    """RuntimeClasses."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        validate_new=_validate_new,
        validate_change=_validate_change,
        table=Table((NAME, Column("Handler", description="The runtime's name on the nodes."), AGE), _cells),
        allow_create_on_update=True,
        allow_unconditional_update=False,
    )
