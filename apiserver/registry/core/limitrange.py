"""LimitRanges: the smallest, largest and usual sizes of what a namespace holds."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check
from apiserver.registry.context import RequestContext
from apiserver.registry.quantities import (
    amount,
    canonical,
    default_resource_list,
    is_overcommit_allowed,
    validate_container_resource_name,
    validate_resource_name,
)
from apiserver.registry.strategy import KindStrategy
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, required
from minikube_py.api.meta import new_uid
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
#: Which amount may not be above which, where the refusal stands, and whose amount it shows first.
_ORDER = (
    ("min", "max", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)
_NEEDS_STORAGE = "either minimum or maximum storage value is required, but neither was provided"


def _limits(obj: Object) -> list[Fields]:
    found: list[Fields] = (obj.get("spec") or {}).get("limits") or []
    return found


def _default(obj: Object) -> None:
    for item in _limits(obj):
        for name in _LISTS:
            default_resource_list(item.get(name))
        if item.get("type") == "Container":
            limits = (item.get("max") or {}) | (item.get("default") or {})
            requests = (item.get("min") or {}) | limits | (item.get("defaultRequest") or {})
            item["default"], item["defaultRequest"] = limits, requests
            for name in ("default", "defaultRequest"):
                if not item[name]:
                    del item[name]


def _prepare_new(obj: Object, _ctx: RequestContext) -> None:
    if not obj["metadata"].get("name"):
        obj["metadata"]["name"] = new_uid()


def _validate(obj: Object, errors: Errors) -> None:
    seen: set[str] = set()
    for index, item in enumerate(_limits(obj)):
        path, kind = f"spec.limits[{index}]", item.get("type") or ""
        _validate_type(kind, f"{path}.type", errors)
        if kind in seen:
            errors.append(duplicate(f"{path}.type", kind))
        seen.add(kind)
        _validate_item(item, kind, path, errors)


def _validate_type(kind: str, path: str, errors: Errors) -> None:
    before = len(errors)
    check(names.qualified_name, kind, path, errors)
    if len(errors) == before and "/" not in kind and kind not in _TYPES:
        errors.append(invalid(path, kind, "must be a standard limit type or fully qualified"))


def _validate_item(item: Fields, kind: str, path: str, errors: Errors) -> None:
    rule = validate_container_resource_name if kind in ("Pod", "Container") else validate_resource_name
    lists = {name: item.get(name) or {} for name in _LISTS}
    for name, amounts in lists.items():
        if kind == "Pod" and name in ("default", "defaultRequest"):
            if amounts:
                errors.append(forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'"))
            lists[name] = {}
            continue
        if name == "maxLimitRequestRatio" and kind == "PersistentVolumeClaim":
            _require_storage(lists, path, errors)
        for key in amounts:
            rule(key, f"{path}.{name}[{key}]", errors)
    for key in dict.fromkeys(key for amounts in lists.values() for key in amounts):
        given = {name: amounts[key] for name, amounts in lists.items() if key in amounts}
        _validate_amounts(key, given, path, errors)


def _require_storage(lists: dict[str, Fields], path: str, errors: Errors) -> None:
    if "storage" not in lists["min"] and "storage" not in lists["max"]:
        errors.append(required(f"{path}.limits", _NEEDS_STORAGE))


def _validate_amounts(key: str, given: Fields, path: str, errors: Errors) -> None:
    """That the amounts given for one resource are in order."""
    for low, high, place, text in _ORDER:
        if low in given and high in given and amount(given[low]) > amount(given[high]):
            value = given[low] if place == "default" else given[place]
            detail = text.format(canonical(given[low]), canonical(given[high]))
            errors.append(invalid(f"{path}.{place}[{key}]", canonical(value), detail))
    if "maxLimitRequestRatio" in given:
        _validate_ratio(key, given, path, errors)
    default, request = given.get("default"), given.get("defaultRequest")
    if default is None or request is None or is_overcommit_allowed(key) or amount(default) == amount(request):
        return
    shown = f"default value {canonical(default)} must equal to defaultRequest value {canonical(request)} in {key}"
    errors.append(invalid(f"{path}.defaultRequest[{key}]", canonical(request), shown))


def _validate_ratio(key: str, given: Fields, path: str, errors: Errors) -> None:
    place, ratio = f"{path}.maxLimitRequestRatio[{key}]", given["maxLimitRequestRatio"]
    if amount(ratio) < 1:
        errors.append(invalid(place, canonical(ratio), f"ratio {canonical(ratio)} is less than 1"))
    if "min" in given and "max" in given and amount(given["min"]):
        largest = amount(given["max"]) / amount(given["min"])
        if amount(ratio) > largest:
            detail = f"ratio {canonical(ratio)} is greater than max/min = {float(largest):f}"
            errors.append(invalid(place, canonical(ratio), detail))


def strategy(resource: Resource) -> KindStrategy:
    """LimitRanges."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        prepare_new=_prepare_new,
        validate=_validate,
        allow_create_on_update=True,
    )
