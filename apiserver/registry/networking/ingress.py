"""Ingresses: rules that lead HTTP requests to Services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, require
from apiserver.registry.core.service.printer import balancer_addresses
from apiserver.registry.networking.loadbalancer import refuse_address, validate_ingress_points
from apiserver.registry.references import validate_reference
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import invalid, not_supported, required
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_SHOWN_HOSTS = 3


def _validate(ingress: Object, errors: Errors) -> None:
    spec = ingress.get("spec") or {}
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        errors.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        _validate_backend(backend, "spec.defaultBackend", errors)
    for index, rule in enumerate(rules):
        _validate_rule(rule, f"spec.rules[{index}]", errors)
    for index, tls in enumerate(spec.get("tls") or ()):
        _validate_tls(tls, f"spec.tls[{index}]", errors)
    if spec.get("ingressClassName") is not None:
        check(names.subdomain_name, spec["ingressClassName"], "spec.ingressClassName", errors)


def _validate_host(host: str, path: str, errors: Errors) -> None:
    rule = names.wildcard_dns1123_subdomain if "*" in host else names.dns1123_subdomain
    check(rule, host, path, errors)


def _validate_rule(rule: Fields, path: str, errors: Errors) -> None:
    if host := rule.get("host"):
        refuse_address(host, f"{path}.host", errors)
        _validate_host(host, f"{path}.host", errors)
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        errors.append(required(f"{path}.http.paths"))
    for index, item in enumerate(http.get("paths") or ()):
        _validate_path(item, f"{path}.http.paths[{index}]", errors)


def _validate_path(item: Fields, place: str, errors: Errors) -> None:
    kind, path = item.get("pathType"), item.get("path") or ""
    if kind is None:
        errors.append(required(f"{place}.pathType", "pathType must be specified"))
        return
    if kind not in _PATH_TYPES:
        errors.append(not_supported(f"{place}.pathType", kind, _PATH_TYPES))
    elif not path.startswith("/") and (path or kind != "ImplementationSpecific"):
        errors.append(invalid(f"{place}.path", path, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        found = [f"must not contain '{part}'" for part in _BAD_SEQUENCES if part in path]
        found += [f"cannot end with '{end}'" for end in _BAD_ENDS if path.endswith(end)]
        errors.extend(invalid(f"{place}.path", path, text) for text in found)
    _validate_backend(item.get("backend") or {}, f"{place}.backend", errors)


def _validate_backend(backend: Fields, path: str, errors: Errors) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        errors.append(invalid(path, "", "cannot set both resource and service backends"))
    elif resource is not None:
        validate_reference(resource, f"{path}.resource", errors)
    elif service is not None:
        _validate_service(service, path, errors)
    else:
        errors.append(invalid(path, "", "resource or service backend is required"))


def _validate_service(service: Fields, path: str, errors: Errors) -> None:
    if require(service, "name", f"{path}.service", errors):
        check(names.label_name, service["name"], f"{path}.service.name", errors)
    port = service.get("port") or {}
    name, number = port.get("name"), port.get("number")
    if name and number:
        errors.append(invalid(path, "", "cannot set both port name & port number"))
    elif name:
        check(names.port_name, name, f"{path}.service.port.name", errors)
    elif number:
        found = names.port_number(number)
        errors.extend(invalid(f"{path}.service.port.number", number, text) for text in found)
    else:
        errors.append(required(path, "port name or number is required"))


def _validate_tls(tls: Fields, path: str, errors: Errors) -> None:
    for index, host in enumerate(tls.get("hosts") or ()):
        _validate_host(host, f"{path}.hosts[{index}]", errors)
    if tls.get("secretName"):
        check(names.subdomain_name, tls["secretName"], f"{path}.secretName", errors)


def _validate_new(ingress: Object, errors: Errors) -> None:
    given, chosen = annotations_of(ingress).get(_CLASS), (ingress.get("spec") or {}).get("ingressClassName")
    if given is not None and chosen is not None and given != chosen:
        detail = "must match `ingressClassName` when both are specified"
        errors.append(invalid(f"annotations.{_CLASS}", given, detail))


def _warn(ingress: Object, old: Object | None) -> list[str]:
    chosen = (ingress.get("spec") or {}).get("ingressClassName")
    if old is None and chosen is None and _CLASS in annotations_of(ingress):
        return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
    return []


def _hosts(rules: list[Fields]) -> str:
    hosts: list[str] = []
    for rule in rules:
        if len(hosts) == _SHOWN_HOSTS:
            return f"{','.join(hosts)} + {len(rules) - _SHOWN_HOSTS} more..."
        if rule.get("host"):
            hosts.append(rule["host"])
    return ",".join(hosts) or "*"


def _cells(ingress: Object, now: datetime) -> list[Any]:
    spec = ingress.get("spec") or {}
    return [
        name_of(ingress),
        spec.get("ingressClassName") or NONE,
        _hosts(spec.get("rules") or []),
        ",".join(balancer_addresses(ingress)),
        "80, 443" if spec.get("tls") else "80",
        age(ingress, now),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Class", description="The IngressClass that serves it."),
        Column("Hosts", description="Hosts whose requests it takes."),
        Column("Address", description="Addresses of its load balancers."),
        Column("Ports", description="Ports that are open: 443 with TLS."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """Ingresses."""
    return KindStrategy(
        resource=resource,
        has_status=True,
        new_status=lambda: {"loadBalancer": {}},
        generation_fields=("spec",),
        validate=_validate,
        validate_new=_validate_new,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=validate_ingress_points)},
        table=_TABLE,
        warner=_warn,
    )
