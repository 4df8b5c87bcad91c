"""StorageClasses and VolumeAttributesClasses: how volumes are made, and how they perform."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable, one_of, require_one_of, same
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, required, too_long
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_POLICIES = ("Delete", "Retain")
_MODES = ("Immediate", "WaitForFirstConsumer")
_KEPT = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
_MANY_PARAMETERS, _PARAMETERS_SIZE = 512, 256 * 1024


def _default(storage_class: Object) -> None:
    if storage_class.get("reclaimPolicy") is None:
        storage_class["reclaimPolicy"] = "Delete"
    if storage_class.get("volumeBindingMode") is None:
        storage_class["volumeBindingMode"] = "Immediate"


def _validate_driver(fields: Fields, name: str, errors: Errors) -> None:
    driver = (fields.get(name) or "").lower()
    if not driver:
        errors.append(required(name))
    else:
        check(names.qualified_name, driver, name, errors)


def _validate_parameters(parameters: dict[str, str], errors: Errors) -> None:
    if len(parameters) > _MANY_PARAMETERS:
        errors.append(too_long("parameters", _MANY_PARAMETERS))
        return
    if "" in parameters:
        errors.append(invalid("parameters", "", "field can not be empty."))
    if sum(len(key) + len(value) for key, value in parameters.items()) > _PARAMETERS_SIZE:
        errors.append(too_long("parameters", _PARAMETERS_SIZE))


def _validate(storage_class: Object, errors: Errors) -> None:
    _validate_driver(storage_class, "provisioner", errors)
    _validate_parameters(storage_class.get("parameters") or {}, errors)
    if storage_class.get("reclaimPolicy"):
        one_of(storage_class["reclaimPolicy"], _POLICIES, "reclaimPolicy", errors)
    require_one_of(storage_class.get("volumeBindingMode"), _MODES, "volumeBindingMode", errors)
    seen: list[dict[str, set[str]]] = []
    for index, term in enumerate(storage_class.get("allowedTopologies") or ()):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        values = _validate_topology(term, path, errors)
        if values in seen:
            errors.append(duplicate(path, ""))
        seen.append(values)


def _validate_topology(term: Fields, path: str, errors: Errors) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for index, expression in enumerate(term.get("matchLabelExpressions") or ()):
        place, key, values = f"{path}[{index}]", expression.get("key") or "", expression.get("values") or []
        if not values:
            errors.append(required(f"{place}.values"))
        for position, value in enumerate(values):
            if value in values[:position]:
                errors.append(duplicate(f"{place}.values[{position}]", value))
        check(names.qualified_name, key, f"{place}.key", errors)
        if key in found:
            errors.append(duplicate(f"{place}.key", key))
        found[key] = set(values)
    return found


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    for name in _KEPT:
        immutable(new.get(name), old.get(name), name, errors)


def _cells(storage_class: Object, now: datetime) -> list[Any]:
    annotations = annotations_of(storage_class)
    mark = " (default)" if any(annotations.get(key) == "true" for key in _DEFAULT_CLASS) else ""
    return [
        name_of(storage_class) + mark,
        storage_class.get("provisioner") or "",
        storage_class.get("reclaimPolicy") or "Delete",
        storage_class.get("volumeBindingMode") or "Immediate",
        bool(storage_class.get("allowVolumeExpansion")),
        age(storage_class, now),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Provisioner", description="What makes its volumes."),
        Column("ReclaimPolicy", description="What becomes of its volumes when their claims are gone."),
        Column("VolumeBindingMode", description="When volumes are made."),
        Column("AllowVolumeExpansion", description="Whether volumes may grow."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """StorageClasses."""
    return KindStrategy(
        resource=resource, defaulter=_default, validate=_validate, validate_change=_validate_change, table=_TABLE
    )


def _validate_attributes(attributes: Object, errors: Errors) -> None:
    _validate_driver(attributes, "driverName", errors)
    parameters = attributes.get("parameters") or {}
    _validate_parameters(parameters, errors)
    if not parameters:
        errors.append(required("parameters", "must contain at least one key/value pair"))


def _validate_attributes_change(new: Object, old: Object, errors: Errors) -> None:
    for name in ("driverName", "parameters"):
        if not same(new.get(name), old.get(name)):
            errors.append(forbidden(name, f"updates to {name} are forbidden."))


def _attributes_cells(attributes: Object, now: datetime) -> list[Any]:
    return [name_of(attributes), attributes.get("driverName") or "", age(attributes, now)]


def attributes_strategy(resource: Resource) -> KindStrategy:
    """VolumeAttributesClasses."""
    return KindStrategy(
        resource=resource,
        validate=_validate_attributes,
        validate_change=_validate_attributes_change,
        table=Table((NAME, Column("DriverName", description="The driver it is for."), AGE), _attributes_cells),
    )
