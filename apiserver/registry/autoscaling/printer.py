"""How ``kubectl get hpa`` shows an autoscaler."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Fields
from apiserver.registry.quantities import canonical
from apiserver.registry.table import AGE, NAME, NONE, UNKNOWN, Column, Table, age
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object

_SHOWN = 2
_SOURCES = {"External": "external", "Pods": "pods", "Object": "object", "Resource": "resource"} | {
    "ContainerResource": "containerResource"
}


def _metric(spec: Fields, status: Fields) -> str:
    """One metric as ``current/target``."""
    kind = spec.get("type") or ""
    source = _SOURCES.get(kind)
    if source is None:
        return "<unknown type>"
    wanted = spec.get(source) or {}
    target, current = wanted.get("target") or {}, (status.get(source) or {}).get("current") or {}
    label = f"{wanted.get('name')}: " if "Resource" in kind else ""
    if target.get("averageValue") is not None:
        mark = " (avg)" if kind in ("External", "Object") else ""
        return f"{label}{_amount(current.get('averageValue'))}/{_amount(target['averageValue'])}{mark}"
    if label:
        aim = _percent(target.get("averageUtilization"), "<auto>")
        return f"{label}{_percent(current.get('averageUtilization'), UNKNOWN)}/{aim}"
    return f"{_amount(current.get('value'))}/{_amount(target.get('value'))}"


def _amount(value: Any) -> str:
    return UNKNOWN if value is None else canonical(value)


def _percent(value: int | None, absent: str) -> str:
    return absent if value is None else f"{value}%"


def _targets(autoscaler: Object) -> str:
    specs = (autoscaler.get("spec") or {}).get("metrics") or []
    statuses = (autoscaler.get("status") or {}).get("currentMetrics") or []
    shown = [_metric(spec, statuses[i] if i < len(statuses) else {}) for i, spec in enumerate(specs)]
    text = ", ".join(shown[:_SHOWN])
    if len(shown) > _SHOWN:
        return f"{text} + {len(shown) - _SHOWN} more..."
    return text or NONE


def _cells(autoscaler: Object, now: datetime) -> list[Any]:
    spec, target = autoscaler.get("spec") or {}, (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    least = spec.get("minReplicas")
    return [
        name_of(autoscaler),
        f"{target.get('kind')}/{target.get('name')}",
        _targets(autoscaler),
        "<unset>" if least is None else str(least),
        spec.get("maxReplicas") or 0,
        (autoscaler.get("status") or {}).get("currentReplicas") or 0,
        age(autoscaler, now),
    ]


TABLE = Table(
    (
        NAME,
        Column("Reference", description="What is scaled."),
        Column("Targets", description="Each metric: what it is, and what it should be."),
        Column("MinPods", description="The fewest replicas."),
        Column("MaxPods", description="The most replicas."),
        Column("Replicas", description="Replicas that were there when last measured."),
        AGE,
    ),
    _cells,
)
