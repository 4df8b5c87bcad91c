"""PodTemplates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors
from apiserver.registry.core.podspec.defaults import default_template
from apiserver.registry.core.podspec.spec import validate_template
from apiserver.registry.core.podspec.warnings import template_warnings
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import NAME, Column, Table, container_cells, format_labels
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


def _default(obj: Object) -> None:
    default_template(obj.setdefault("template", {}))


def _validate(obj: Object, errors: Errors) -> None:
    validate_template(obj["template"], "template", errors)


def _warn(obj: Object, old: Object | None) -> list[str]:
    if old is not None and obj["metadata"].get("generation") == old["metadata"].get("generation"):
        return []
    return template_warnings(obj["template"], "template")


def _cells(obj: Object, _now: datetime) -> list[Any]:
    template = obj.get("template") or {}
    return [name_of(obj), *container_cells(template), format_labels((template.get("metadata") or {}).get("labels"))]


_TABLE = Table(
    (
        NAME,
        Column("Containers", description="Names of the template's containers."),
        Column("Images", description="Images of the template's containers."),
        Column("Pod Labels", description="Labels of its pods."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PodTemplates."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        generation_fields=("template",),
        validate=_validate,
        table=_TABLE,
        warner=_warn,
    )
