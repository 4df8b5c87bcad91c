"""IngressClasses: which controller serves Ingresses of a class."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, domain_path, immutable
from apiserver.registry.references import validate_reference
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import forbidden, not_supported, required, too_long
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_LONGEST_CONTROLLER = 250
_SCOPES = ("Cluster", "Namespace")
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


def _default(ingress_class: Object) -> None:
    parameters = (ingress_class.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def _validate(ingress_class: Object, errors: Errors) -> None:
    spec = ingress_class.get("spec") or {}
    controller = spec.get("controller") or ""
    if len(controller) > _LONGEST_CONTROLLER:
        errors.append(too_long("spec.controller", _LONGEST_CONTROLLER))
    domain_path(controller, "spec.controller", errors)
    if spec.get("parameters") is not None:
        _validate_parameters(spec["parameters"], "spec.parameters", errors)


def _validate_parameters(parameters: Fields, path: str, errors: Errors) -> None:
    validate_reference(parameters, path, errors)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        errors.append(required(f"{path}.scope"))
    elif scope not in _SCOPES:
        errors.append(not_supported(f"{path}.scope", scope, _SCOPES))
    elif scope == "Cluster" and namespace is not None:
        errors.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif scope == "Namespace" and namespace is None:
        errors.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    elif scope == "Namespace":
        check(names.label_name, str(namespace), f"{path}.namespace", errors)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    controllers = [(obj.get("spec") or {}).get("controller") for obj in (new, old)]
    immutable(controllers[0], controllers[1], "spec.controller", errors)


def _cells(ingress_class: Object, now: datetime) -> list[Any]:
    spec = ingress_class.get("spec") or {}
    parameters, shown = spec.get("parameters"), NONE
    if parameters is not None:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") is not None else ""
        shown = f"{parameters.get('kind')}{group}/{parameters.get('name')}"
    mark = " (default)" if annotations_of(ingress_class).get(_DEFAULT) == "true" else ""
    return [name_of(ingress_class) + mark, spec.get("controller") or "", shown, age(ingress_class, now)]


_TABLE = Table(
    (
        NAME,
        Column("Controller", description="The controller that serves the class."),
        Column("Parameters", description="An object with more settings."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """IngressClasses."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        generation_fields=("spec",),
        validate=_validate,
        validate_change=_validate_change,
        table=_TABLE,
    )
