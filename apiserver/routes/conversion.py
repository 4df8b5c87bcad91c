"""Kinds that are served in two forms and stored in one: events of both groups, HorizontalPodAutoscaler v1 and v2.

Field for field as upstream's ``pkg/apis/events/v1/conversion.go`` and ``pkg/apis/autoscaling/v1/conversion.go``; what
v1 of the autoscaler cannot say travels in annotations.
"""

from __future__ import annotations

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
    meta, spec, status = dict(obj["metadata"]), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
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
