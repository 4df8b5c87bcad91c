"""Endpoints, the older form of EndpointSlices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, require_one_of, same
from apiserver.registry.core.endpointaddress import validate_endpoint_ip
from apiserver.registry.core.podspec.containers import PROTOCOLS
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_SHOWN = 3


def _default(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _validate(endpoints: Object, errors: Errors) -> None:
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for kind in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(kind) or ()):
                _validate_address(address, f"{path}.{kind}[{number}]", errors)
        ports = subset.get("ports") or ()
        for number, port in enumerate(ports):
            _validate_port(port, len(ports) > 1, f"{path}.ports[{number}]", errors)


def _validate_address(address: Fields, path: str, errors: Errors) -> None:
    ip = address.get("ip") or ""
    check(names.ip_address, ip, f"{path}.ip", errors)
    if address.get("hostname"):
        check(names.dns1123_label, address["hostname"], f"{path}.hostname", errors)
    if address.get("nodeName") is not None:
        check(names.subdomain_name, address["nodeName"], f"{path}.nodeName", errors)
    validate_endpoint_ip(ip, f"{path}.ip", errors)


def _validate_port(port: Fields, needs_name: bool, path: str, errors: Errors) -> None:
    name, number = port.get("name") or "", port.get("port") or 0
    if name:
        check(names.dns1123_label, name, f"{path}.name", errors)
    elif needs_name:
        errors.append(required(f"{path}.name"))
    errors.extend(invalid(f"{path}.port", number, text) for text in names.port_number(number))
    require_one_of(port.get("protocol"), PROTOCOLS, f"{path}.protocol", errors)
    if port.get("appProtocol") is not None:
        check(names.qualified_name, port["appProtocol"], f"{path}.appProtocol", errors)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    if not same(new.get("subsets"), old.get("subsets")):
        _validate(new, errors)


def _joined(address: str, port: int | None) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _shown(endpoints: Object) -> str:
    subsets = endpoints.get("subsets") or ()
    if not subsets:
        return NONE
    found: list[str] = []
    for subset in subsets:
        addresses = [item.get("ip") or "" for item in subset.get("addresses") or ()]
        ports = subset.get("ports")
        if not ports:
            found += addresses
        for port in ports or ():
            found += [_joined(address, port.get("port")) for address in addresses]
    text = ",".join(found[:_SHOWN])
    return f"{text} + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else text


def _cells(endpoints: Object, now: datetime) -> list[Any]:
    return [name_of(endpoints), _shown(endpoints), age(endpoints, now)]


def strategy(resource: Resource) -> KindStrategy:
    """Endpoints."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        validate=_validate,
        validate_change=_validate_change,
        revalidate=False,
        table=Table((NAME, Column("Endpoints", description="Addresses and ports that are ready."), AGE), _cells),
        allow_create_on_update=True,
    )
