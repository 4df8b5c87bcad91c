"""What the objects of a namespace count for in a quota: pure arithmetic.

Follows ``pkg/quota/v1/evaluator/core``: objects by number, pods by what they ask for, claims by storage, Services
by kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from apiserver.registry.context import Reader
from minikube_py.api.podresources import pod_limits, pod_requests
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.resources import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICES,
    Resource,
)
from minikube_py.api.selectors import Operator, Requirement
from minikube_py.api.types import Object

Usage = dict[str, Decimal]

#: Resources with a quota name of their own; any resource also has ``count/PLURAL[.GROUP]``.
_NAMED = {
    resource.plural: resource
    for resource in (
        PODS,
        SERVICES,
        CONFIGMAPS,
        SECRETS,
        PERSISTENTVOLUMECLAIMS,
        REPLICATIONCONTROLLERS,
        RESOURCEQUOTAS,
    )
}
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_BEST_EFFORT_ONLY = ("pods", "count/pods")


def usage_of(resource: Resource, obj: Object) -> Usage:
    """What one object counts for."""
    counted: Usage = {f"count/{resource.group_resource}": Decimal(1)}
    if _NAMED.get(resource.plural) is resource:
        counted[resource.plural] = Decimal(1)
    if resource is PODS:
        return _pod_usage(obj, counted)
    if resource is SERVICES:
        counted |= _service_usage(obj)
    elif resource is PERSISTENTVOLUMECLAIMS:
        counted |= _claim_usage(obj)
    return counted


def _pod_usage(pod: Object, counted: Usage) -> Usage:
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {f"count/{PODS.group_resource}": Decimal(1)}
    requests, limits = pod_requests(pod), pod_limits(pod)
    for prefix, amounts in (("requests.", requests), ("limits.", limits)):
        for name, amount in amounts.items():
            value = Decimal(amount) / 1000 if name == "cpu" else Decimal(amount)
            counted[f"{prefix}{name}"] = value
            if prefix == "requests." and name in _COMPUTE:
                counted[name] = value
    return counted


def _service_usage(service: Object) -> Usage:
    spec = service.get("spec") or {}
    ports = Decimal(len(spec.get("ports") or ()))
    kind = spec.get("type") or "ClusterIP"
    usage: Usage = {"services.nodeports": Decimal(0), "services.loadbalancers": Decimal(0)}
    if kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)):
        usage["services.nodeports"] = ports
    if kind == "LoadBalancer":
        usage["services.loadbalancers"] = Decimal(1)
    return usage


def _claim_usage(claim: Object) -> Usage:
    spec = claim.get("spec") or {}
    size = parse_quantity(((spec.get("resources") or {}).get("requests") or {}).get("storage") or 0)
    usage: Usage = {"requests.storage": size}
    if name := spec.get("storageClassName"):
        usage[f"{name}.storageclass.storage.k8s.io/requests.storage"] = size
        usage[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = Decimal(1)
    return usage


def matches_scopes(quota: Object, resource: Resource, obj: Object) -> bool:
    """Whether a quota's scopes take the object; a quota with scopes counts nothing but pods."""
    spec = quota.get("spec") or {}
    scopes = list(spec.get("scopes") or ())
    expressions = list((spec.get("scopeSelector") or {}).get("matchExpressions") or ())
    if not scopes and not expressions:
        return True
    if resource is not PODS:
        return False
    return all(_in_scope(scope, obj) for scope in scopes) and all(_expression(each, obj) for each in expressions)


def _in_scope(scope: str, pod: Object) -> bool:
    spec = pod.get("spec") or {}
    match scope:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return not pod_requests(pod) and not pod_limits(pod)
        case "NotBestEffort":
            return bool(pod_requests(pod) or pod_limits(pod))
        case "PriorityClass":
            return bool(spec.get("priorityClassName"))
    return False


def _expression(expression: Mapping[str, Any], pod: Object) -> bool:
    if expression.get("scopeName") != "PriorityClass":
        return _in_scope(str(expression.get("scopeName")), pod)
    operator = {"In": Operator.IN, "NotIn": Operator.NOT_IN, "Exists": Operator.EXISTS}.get(
        str(expression.get("operator")), Operator.DOES_NOT_EXIST
    )
    name = (pod.get("spec") or {}).get("priorityClassName")
    requirement = Requirement("class", operator, tuple(expression.get("values") or ()))
    return requirement.matches({"class": name} if name else {})


def resources_of(hard: Iterable[str], known: Iterable[Resource]) -> Iterator[Resource]:
    """The resources whose objects a quota with these names must count."""
    by_name = {resource.group_resource: resource for resource in known}
    wanted: dict[str, Resource] = {}
    for name in hard:
        if name.startswith("count/"):
            resource = by_name.get(name.removeprefix("count/"))
        else:
            resource = _NAMED.get(name) or _owner_of(name)
        if resource is not None:
            wanted[resource.group_resource] = resource
    yield from wanted.values()


def _owner_of(name: str) -> Resource:
    if name.startswith("services."):
        return SERVICES
    if name == "requests.storage" or "storageclass.storage.k8s.io" in name:
        return PERSISTENTVOLUMECLAIMS
    return PODS


def total_usage(quota: Object, namespace: str, reader: Reader, known: Iterable[Resource]) -> Usage:
    """What the namespace uses of everything the quota limits."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    total: Usage = dict.fromkeys(hard, Decimal(0))
    for resource in resources_of(hard, known):
        for obj in reader.list(resource, namespace):
            if matches_scopes(quota, resource, obj):
                for name, amount in usage_of(resource, obj).items():
                    if name in total:
                        total[name] += amount
    return total
