"""Secrets: stringData becomes data, and some types promise certain keys."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

import orjson

from apiserver.registry.checks import Errors, check, immutable
from apiserver.registry.core.configmap import LARGEST, decoded_size, validate_frozen
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api.fields import invalid, required, too_long
from minikube_py.api.meta import name_of
from minikube_py.api.names import config_map_key
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_ACCOUNT = "kubernetes.io/service-account.name"
_JSON_KEYS = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def _default(secret: Object) -> None:
    if not secret.get("type"):
        secret["type"] = "Opaque"
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = (secret.get("data") or {}) | encoded


def _validate(secret: Object, errors: Errors) -> None:
    data = secret.get("data") or {}
    for key in data:
        check(config_map_key, key, f"data[{key}]", errors)
    if sum(decoded_size(value or "") for value in data.values()) > LARGEST:
        errors.append(too_long("data", LARGEST))
    _validate_type(secret, data, errors)


def _validate_type(secret: Object, data: dict[str, str], errors: Errors) -> None:
    kind = secret.get("type")
    if kind == "kubernetes.io/service-account-token":
        if not (secret["metadata"].get("annotations") or {}).get(_ACCOUNT):
            errors.append(required(f"metadata.annotations[{_ACCOUNT}]"))
    elif kind in _JSON_KEYS:
        _validate_json(data, _JSON_KEYS[kind], errors)
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            errors += [required("data[username]"), required("data[password]")]
    elif kind == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            errors.append(required("data[ssh-privatekey]"))
    elif kind == "kubernetes.io/tls":
        errors.extend(required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)


def _validate_json(data: dict[str, str], key: str, errors: Errors) -> None:
    if key not in data:
        errors.append(required(f"data[{key}]"))
        return
    try:
        parsed = orjson.loads(base64.b64decode(data[key] or ""))
    except (binascii.Error, ValueError) as error:
        errors.append(invalid(f"data[{key}]", "<secret contents redacted>", str(error)))
        return
    if not isinstance(parsed, dict):
        detail = "json: cannot unmarshal into Go value of type map[string]interface {}"
        errors.append(invalid(f"data[{key}]", "<secret contents redacted>", detail))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new.get("type") or "", old.get("type") or "", "type", errors)
    validate_frozen(new, old, errors, ("data",))


def _cells(secret: Object, now: datetime) -> list[Any]:
    return [name_of(secret), secret.get("type") or "", len(secret.get("data") or ()), age(secret, now)]


def strategy(resource: Resource) -> KindStrategy:
    """Secrets."""
    columns = (NAME, Column("Type", description="What the keys mean."), Column("Data", description="Number of keys."))
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        validate=_validate,
        validate_change=_validate_change,
        table=Table((*columns, AGE), _cells),
    )
