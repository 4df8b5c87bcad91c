"""Kinds that are served in two forms and stored in one: events of both groups, HorizontalPodAutoscaler v1 and v2.

Field for field as upstream's ``pkg/apis/events/v1/conversion.go`` and ``pkg/apis/autoscaling/v1/conversion.go``; what
v1 of the autoscaler cannot say travels in annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from apiserver.routes.served import Conversion
from minikube_py.api.resources import (
    EVENTS,
    EVENTS_V1,
    HORIZONTALPODAUTOSCALERS,
    HORIZONTALPODAUTOSCALERS_V1,
    Resource,
)
from minikube_py.api.types import Object

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"

#: core v1 -> events.k8s.io/v1
_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_EVENT_NAMES_BACK = {new: old for old, new in _EVENT_NAMES.items()}


def _renamed(obj: Object, names: dict[str, str], resource: Resource) -> Object:
    renamed = {names.get(name, name): value for name, value in obj.items()}
    return renamed | {"kind": resource.kind, "apiVersion": resource.api_version}


def _event_to_core(obj: Object) -> Object:
    return _renamed(obj, _EVENT_NAMES_BACK, EVENTS)


def _event_from_core(obj: Object) -> Object:
    return _renamed(obj, _EVENT_NAMES, EVENTS_V1)


def _cpu_target(metric: dict[str, Any]) -> int | None:
    """The one metric that v1 has a field for: CPU utilisation in percent."""
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    if metric.get("type") == "Resource" and resource.get("name") == "cpu":
        percentage: int | None = target.get("averageUtilization")
        return percentage
    return None


def _autoscaler_from_v2(obj: Object) -> Object:
    meta, spec, status = (dict(obj.get(part) or {}) for part in ("metadata", "spec", "status"))
    annotations = dict(meta.get("annotations") or {})
    rest = []
    for metric in spec.pop("metrics", None) or ():
        percentage = _cpu_target(metric)
        if percentage is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = percentage
        else:
            rest.append(metric)
    current = status.pop("currentMetrics", None) or []
    for metric in current:
        measured = ((metric.get("resource") or {}).get("current") or {}).get("averageUtilization")
        if (metric.get("resource") or {}).get("name") == "cpu" and measured is not None:
            status["currentCPUUtilizationPercentage"] = measured
    carried = {
        _METRICS: rest,
        _CURRENT_METRICS: current,
        _BEHAVIOR: spec.pop("behavior", None),
        _CONDITIONS: status.pop("conditions", None),
    }
    annotations |= {name: orjson.dumps(value).decode() for name, value in carried.items() if value}
    if annotations:
        meta["annotations"] = annotations
    status = {"currentReplicas": 0, "desiredReplicas": 0} | status
    kind = {"kind": "HorizontalPodAutoscaler", "apiVersion": HORIZONTALPODAUTOSCALERS_V1.api_version}
    return kind | {"metadata": meta, "spec": spec, "status": status}


def _autoscaler_to_v2(obj: Object) -> Object:
    meta, spec, status = dict(obj.get("metadata") or {}), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(meta.get("annotations") or {})
    carried = {
        name: _loaded(annotations.pop(name, "")) for name in (_METRICS, _CURRENT_METRICS, _BEHAVIOR, _CONDITIONS)
    }
    metrics = list(carried[_METRICS] or ())
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    status.pop("currentCPUUtilizationPercentage", None)
    spec |= {name: value for name, value in (("metrics", metrics), ("behavior", carried[_BEHAVIOR])) if value}
    kept = (("currentMetrics", carried[_CURRENT_METRICS]), ("conditions", carried[_CONDITIONS]))
    status |= {name: value for name, value in kept if value}
    meta["annotations"] = annotations
    if not annotations:
        del meta["annotations"]
    kind = {"kind": "HorizontalPodAutoscaler", "apiVersion": HORIZONTALPODAUTOSCALERS.api_version}
    return kind | {"metadata": meta, "spec": spec, "status": status}


def _loaded(text: str) -> Any:
    """What an annotation carries; one that is not JSON is dropped, as upstream drops it."""
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


_CONVERSIONS = {
    EVENTS_V1: Conversion(EVENTS, _event_to_core, _event_from_core),
    HORIZONTALPODAUTOSCALERS_V1: Conversion(HORIZONTALPODAUTOSCALERS, _autoscaler_to_v2, _autoscaler_from_v2),
}


def conversion_of(resource: Resource) -> Conversion | None:
    """How ``resource`` is stored; None where it is its own storage version."""
    return _CONVERSIONS.get(resource)


def other_versions(resource: Resource) -> list[tuple[Resource, Callable[[Object], Object]]]:
    """The other versions that a kind is served in, and how an object of ``resource`` looks there."""
    mine = _CONVERSIONS.get(resource)
    storage = mine.storage if mine is not None else resource
    to_storage = mine.to_storage if mine is not None else _same
    found = [(storage, to_storage)] if mine is not None else []
    for other, conversion in _CONVERSIONS.items():
        if conversion.storage == storage and other != resource:
            found.append((other, partial(_through, to_storage, conversion.from_storage)))
    return found


def _same(obj: Object) -> Object:
    return obj


def _through(first: Callable[[Object], Object], second: Callable[[Object], Object], obj: Object) -> Object:
    return second(first(obj))
