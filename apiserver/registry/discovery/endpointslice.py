"""EndpointSlices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable, one_of, require_one_of, same, without
from apiserver.registry.context import RequestContext
from apiserver.registry.core.endpointaddress import validate_endpoint_ip
from apiserver.registry.core.podspec.containers import PROTOCOLS
from apiserver.registry.ipwarnings import warn_ip
from apiserver.registry.metadata import validate_labels
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import duplicate, invalid, required, too_many
from minikube_py.api.meta import labels_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_TYPES = ("FQDN", "IPv4", "IPv6")
_ADDRESSES, _PORTS, _ENDPOINTS, _HINTS, _TOPOLOGY = 100, 20000, 1000, 8, 16
_SHOWN = 3
_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")


def _default(slice_: Object) -> None:
    for port in slice_.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def _prepare_new(slice_: Object, _ctx: RequestContext) -> None:
    slice_["metadata"]["generation"] = 1
    for endpoint in slice_.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _prepare_change(new: Object, old: Object, _ctx: RequestContext) -> None:
    changed = not same(without(new, "metadata"), without(old, "metadata")) or labels_of(new) != labels_of(old)
    if changed:
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def _validate(slice_: Object, errors: Errors) -> None:
    require_one_of(slice_.get("addressType"), _TYPES, "addressType", errors)
    _validate_ports(slice_.get("ports") or [], errors)
    _validate_endpoints(slice_, errors)


def _validate_ports(ports: list[Fields], errors: Errors) -> None:
    if len(ports) > _PORTS:
        errors.append(too_many("ports", len(ports), _PORTS))
        return
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            check(names.dns1123_label, name, f"{path}.name", errors)
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
        if port.get("protocol") is None:
            errors.append(required(f"{path}.protocol"))
        else:
            one_of(port["protocol"], PROTOCOLS, f"{path}.protocol", errors)
        if port.get("appProtocol") is not None:
            check(names.qualified_name, port["appProtocol"], f"{path}.appProtocol", errors)


def _validate_endpoints(slice_: Object, errors: Errors) -> None:
    endpoints = slice_.get("endpoints") or ()
    if len(endpoints) > _ENDPOINTS:
        errors.append(too_many("endpoints", len(endpoints), _ENDPOINTS))
        return
    kind = slice_.get("addressType") or ""
    for index, endpoint in enumerate(endpoints):
        _validate_endpoint(endpoint, kind, f"endpoints[{index}]", errors)


def _validate_endpoint(endpoint: Fields, kind: str, path: str, errors: Errors) -> None:
    addresses = endpoint.get("addresses") or ()
    if not addresses:
        errors.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _ADDRESSES:
        errors.append(too_many(f"{path}.addresses", len(addresses), _ADDRESSES))
    for index, address in enumerate(addresses):
        _validate_address(address, kind, f"{path}.addresses", index, errors)
    if endpoint.get("nodeName") is not None:
        check(names.subdomain_name, endpoint["nodeName"], f"{path}.nodeName", errors)
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > _TOPOLOGY:
        errors.append(too_many(f"{path}.deprecatedTopology", len(topology), _TOPOLOGY))
    validate_labels(topology, f"{path}.deprecatedTopology", errors)
    if endpoint.get("hostname") is not None:
        check(names.dns1123_label, endpoint["hostname"], f"{path}.hostname", errors)
    hints = endpoint.get("hints") or {}
    for name, rule in (("forZones", names.label_value), ("forNodes", names.subdomain_name)):
        _validate_hints(hints.get(name) or (), rule, f"{path}.hints.{name}", errors)


def _validate_address(address: str, kind: str, path: str, index: int, errors: Errors) -> None:
    place = f"{path}[{index}]"
    if kind == "FQDN":
        _validate_fqdn(address, place, errors)
        return
    if kind not in ("IPv4", "IPv6"):
        return
    found = names.ip_address(address) if kind == "IPv4" else names.canonical_ip_address(address)
    errors.extend(invalid(place, address, text) for text in found)
    if found:
        return
    if (":" in address) != (kind == "IPv6"):
        errors.append(invalid(path, address, f"must be an {kind} address"))
    validate_endpoint_ip(address, place, errors)


def _validate_fqdn(name: str, path: str, errors: Errors) -> None:
    bare = name.removesuffix(".")
    if not name:
        errors.append(required(path))
    elif found := names.dns1123_subdomain(bare):
        errors.append(invalid(path, bare, ",".join(found)))
    elif "." not in bare:
        detail = "should be a domain with at least two segments separated by dots"
        errors.append(invalid(path, bare, detail))


def _validate_hints(hints: Any, rule: Any, path: str, errors: Errors) -> None:
    if len(hints) > _HINTS:
        errors.append(too_many(path, len(hints), _HINTS))
        return
    seen: set[str] = set()
    for index, hint in enumerate(hints):
        name = hint.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{path}[{index}].name", name))
        seen.add(name)
        check(rule, name, f"{path}[{index}].name", errors)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    require_one_of(new.get("addressType"), _TYPES, "addressType", errors)
    _validate_ports(new.get("ports") or [], errors)
    if not same(new.get("endpoints"), old.get("endpoints")):
        _validate_endpoints(new, errors)
    immutable(new.get("addressType"), old.get("addressType"), "addressType", errors)


def _warn(slice_: Object, old: Object | None) -> list[str]:
    warnings = []
    if old is None and slice_.get("addressType") == "FQDN":
        warnings.append("spec.addressType: FQDN endpoints are deprecated")
    if labels_of(slice_).get("endpointslice.kubernetes.io/managed-by") in _CONTROLLERS:
        return warnings
    for index, endpoint in enumerate(slice_.get("endpoints") or ()):
        for number, address in enumerate(endpoint.get("addresses") or ()):
            warnings += warn_ip(address, f"endpoints[{index}].addresses[{number}]")
    return warnings


def _shorten(found: list[str]) -> str:
    text = ",".join(found[:_SHOWN])
    return f"{text} + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else text or "<unset>"


def _port(port: Fields) -> str:
    if port.get("port") is not None:
        return str(port["port"])
    return port.get("name") if port.get("name") is not None else "*"  # type: ignore[return-value]


def _cells(slice_: Object, now: datetime) -> list[Any]:
    addresses = [a for endpoint in slice_.get("endpoints") or () for a in endpoint.get("addresses") or ()]
    ports = [_port(port) for port in slice_.get("ports") or ()]
    return [name_of(slice_), slice_.get("addressType") or "", _shorten(ports), _shorten(addresses), age(slice_, now)]


_TABLE = Table(
    (
        NAME,
        Column("AddressType", description="Kind of all addresses in the slice."),
        Column("Ports", description="Ports of every endpoint."),
        Column("Endpoints", description="Addresses of the endpoints."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """EndpointSlices."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        prepare_new=_prepare_new,
        prepare_change=_prepare_change,
        validate=_validate,
        validate_change=_validate_change,
        revalidate=False,
        table=_TABLE,
        warner=_warn,
    )
