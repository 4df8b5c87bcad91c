"""ComponentStatuses: read only, and only to be shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import NAME, Column, Table
from minikube_py.api.meta import find_condition, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


def _cells(component: Object, _now: datetime) -> list[Any]:
    healthy = find_condition(component.get("conditions"), "Healthy")
    if healthy is None:
        return [name_of(component), "Unknown", "", ""]
    state = "Healthy" if healthy.get("status") == "True" else "Unhealthy"
    return [name_of(component), state, healthy.get("message") or "", healthy.get("error") or ""]


TABLE = Table(
    (
        NAME,
        Column("Status", description="Whether the component is well."),
        Column("Message", description="What it says."),
        Column("Error", description="What is wrong with it."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """ComponentStatuses."""
    return KindStrategy(resource=resource, table=TABLE)
