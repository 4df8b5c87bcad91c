"""Roles and ClusterRoles: what may be done."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, require
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.strategy import KindStrategy
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_GROUPLESS = "resource rules must supply at least one"
_AGGREGATION = "aggregationRule.clusterRoleSelectors"


def _validate_rule(rule: Fields, path: str, errors: Errors, *, namespaced: bool) -> None:
    require(rule, "verbs", path, errors, "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        place = f"{path}.nonResourceURLs"
        if namespaced:
            errors.append(invalid(place, urls, "namespaced rules cannot apply to non-resource URLs"))
        if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(place, urls, detail))
        return
    require(rule, "apiGroups", path, errors, f"{_GROUPLESS} api group")
    require(rule, "resources", path, errors, f"{_GROUPLESS} resource")


def _validate_role(role: Object, errors: Errors) -> None:
    for index, rule in enumerate(role.get("rules") or ()):
        _validate_rule(rule, f"rules[{index}]", errors, namespaced=True)


def _validate_cluster_role(role: Object, errors: Errors) -> None:
    for index, rule in enumerate(role.get("rules") or ()):
        _validate_rule(rule, f"rules[{index}]", errors, namespaced=False)
    aggregation = role.get("aggregationRule")
    if aggregation is None:
        return
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        errors.append(required(_AGGREGATION, detail))
    for index, selector in enumerate(selectors):
        validate_label_selector(selector, f"{_AGGREGATION}[{index}]", errors)


def strategy(resource: Resource) -> KindStrategy:
    """Roles, or ClusterRoles. They print like kinds without a printer: name and creation time."""
    return KindStrategy(
        resource=resource,
        name_rule=names.path_segment,
        validate=_validate_role if resource.namespaced else _validate_cluster_role,
        allow_create_on_update=True,
    )
