"""ConfigMaps."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, check, same
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api.fields import forbidden, invalid, too_long
from minikube_py.api.meta import name_of
from minikube_py.api.names import config_map_key
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

LARGEST = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"


def decoded_size(value: str) -> int:
    """Bytes that a base64 text stands for; its own length where it is no base64."""
    try:
        return len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return len(value)


def _validate(config_map: Object, errors: Errors) -> None:
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        check(config_map_key, key, f"data[{key}]", errors)
        if key in binary:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len(value) if value.isascii() else len(value.encode())
    for key, value in binary.items():
        check(config_map_key, key, f"binaryData[{key}]", errors)
        size += decoded_size(value)
    if size > LARGEST:
        errors.append(too_long("", LARGEST))


def validate_frozen(new: Object, old: Object, errors: Errors, fields: tuple[str, ...]) -> None:
    """What an object with ``immutable: true`` keeps forever."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        errors.append(forbidden("immutable", _FROZEN))
    errors.extend(forbidden(field, _FROZEN) for field in fields if not same(new.get(field), old.get(field)))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    validate_frozen(new, old, errors, ("data", "binaryData"))


def _cells(config_map: Object, now: datetime) -> list[Any]:
    count = len(config_map.get("data") or ()) + len(config_map.get("binaryData") or ())
    return [name_of(config_map), count, age(config_map, now)]


def strategy(resource: Resource) -> KindStrategy:
    """ConfigMaps."""
    return KindStrategy(
        resource=resource,
        validate=_validate,
        validate_change=_validate_change,
        table=Table((NAME, Column("Data", description="Number of keys."), AGE), _cells),
    )
