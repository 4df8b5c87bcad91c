"""Metrics of an autoscaler: where they come from, and what they should be."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.registry.autoscaling.target import validate_target
from apiserver.registry.checks import Errors, Fields, check, require, require_name
from apiserver.registry.quantities import amount, validate_container_resource_name
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, not_supported, required

_TARGET_TYPES = ("Utilization", "Value", "AverageValue")
_NEEDS_OUTSIDE = "must specify at least one Object or External metric to support scaling to zero replicas"


def validate_metrics(metrics: list[Fields], least: int | None, path: str, errors: Errors) -> None:
    """All metrics; to scale down to zero, something outside the pods must be measured."""
    for index, metric in enumerate(metrics):
        _validate_metric(metric, f"{path}[{index}]", errors)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        errors.append(forbidden(path, _NEEDS_OUTSIDE))


def _validate_metric(metric: Fields, path: str, errors: Errors) -> None:
    kind = metric.get("type") or ""
    if not kind:
        errors.append(required(f"{path}.type", "must specify a metric source type"))
    if kind not in _SOURCE_OF:
        errors.append(not_supported(f"{path}.type", kind, sorted(_SOURCE_OF)))
    present = [source for source in _SOURCES if metric.get(source) is not None]
    if present:
        _SOURCES[present[0]](metric[present[0]], f"{path}.{present[0]}", errors)
    expected = _SOURCE_OF.get(kind)
    if expected is None:
        errors.append(not_supported(f"{path}.type", kind, sorted(_SOURCE_OF)))
    elif expected not in present:
        detail = "must populate information for the given metric source"
        errors.append(required(f"{path}.{expected}", detail))
    if len(present) != 1:
        others = (source for source in present if source != expected)
        errors.extend(forbidden(f"{path}.{name}", "must populate the given metric source only") for name in others)


def _validate_target(source: Fields, path: str, errors: Errors) -> Fields:
    target: Fields = source.get("target") or {}
    kind, place = target.get("type") or "", f"{path}.target"
    require(target, "type", place, errors, "must specify a metric target type")
    if kind not in _TARGET_TYPES:
        errors.append(invalid(f"{place}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for name in ("value", "averageValue"):
        if target.get(name) is not None and amount(target[name]) <= 0:
            errors.append(invalid(f"{place}.{name}", target[name], "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        errors.append(invalid(f"{place}.averageUtilization", utilization, "must be greater than 0"))
    return target


def _validate_identifier(source: Fields, path: str, errors: Errors) -> None:
    identifier = source.get("metric") or {}
    if require(identifier, "name", f"{path}.metric", errors, "must specify a metric name"):
        check(names.path_segment, identifier["name"], f"{path}.metric.name", errors)


def _object(source: Fields, path: str, errors: Errors) -> None:
    validate_target(source.get("describedObject") or {}, f"{path}.describedObject", errors, group_needed=False)
    _validate_identifier(source, path, errors)
    target = _validate_target(source, path, errors)
    if target.get("value") is None and target.get("averageValue") is None:
        detail = "must set either a target value or averageValue"
        errors.append(required(f"{path}.target.averageValue", detail))


def _external(source: Fields, path: str, errors: Errors) -> None:
    _validate_identifier(source, path, errors)
    target = _validate_target(source, path, errors)
    given = [target.get("value") is not None, target.get("averageValue") is not None]
    if not any(given):
        detail = "must set either a target value for metric or a per-pod target"
        errors.append(required(f"{path}.target.averageValue", detail))
    if all(given):
        detail = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden(f"{path}.target.value", detail))


def _pods(source: Fields, path: str, errors: Errors) -> None:
    _validate_identifier(source, path, errors)
    if _validate_target(source, path, errors).get("averageValue") is None:
        errors.append(required(f"{path}.target.averageValue", "must specify a positive target averageValue"))


def _resource(source: Fields, path: str, errors: Errors) -> None:
    require(source, "name", path, errors, "must specify a resource name")
    _validate_resource_target(source, path, errors)


def _container_resource(source: Fields, path: str, errors: Errors) -> None:
    if require(source, "name", path, errors, "must specify a resource name"):
        validate_container_resource_name(source["name"], f"{path}.name", errors)
    if not source.get("container"):
        errors.append(required(f"{path}.container", "must specify a container"))
    else:
        require_name(source, "container", path, errors)
    _validate_resource_target(source, path, errors)


def _validate_resource_target(source: Fields, path: str, errors: Errors) -> None:
    target = _validate_target(source, path, errors)
    given = [target.get("averageUtilization") is not None, target.get("averageValue") is not None]
    if not any(given):
        detail = "must set either a target raw value or a target utilization"
        errors.append(required(f"{path}.target.averageUtilization", detail))
    if all(given):
        detail = "may not set both a target raw value and a target utilization"
        errors.append(forbidden(f"{path}.target.averageValue", detail))


_SOURCES: dict[str, Callable[[Fields, str, Errors], None]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
_SOURCE_OF = {name[0].upper() + name[1:]: name for name in _SOURCES}
