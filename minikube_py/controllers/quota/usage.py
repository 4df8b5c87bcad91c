"""What one object counts for against a quota. Pure.

Semantics: kubernetes/kubernetes pkg/quota/v1/evaluator/core. Admission, which refuses what would exceed a quota, counts
by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from minikube_py.api.podresources import pod_limits, pod_requests
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PODS, SERVICES, Resource
from minikube_py.api.types import Object
from minikube_py.controllers.podstate import has_ended

Usage = dict[str, Decimal]

#: Names by which whole kinds are counted beside ``count/<resource>.<group>``.
_SHORT_NAMES = {
    "configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services",
}  # fmt: skip
_STORAGE_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"


def usage_of(resource: Resource, obj: Object) -> Usage:
    """What the object counts for, under every name a quota may use."""
    usage: Usage = {f"count/{resource.group_resource}": Decimal(1)}
    if not resource.group and resource.plural in _SHORT_NAMES:
        usage[resource.plural] = Decimal(1)
    if resource == PODS:
        usage |= _pod_usage(obj)
    elif resource == SERVICES:
        usage |= _service_usage(obj)
    elif resource == PERSISTENTVOLUMECLAIMS:
        usage |= _claim_usage(obj)
    return usage


def matches_scopes(quota: Object, resource: Resource, obj: Object) -> bool:
    """Whether a quota with scopes is about this object; scoped quotas are about pods (and classes of claims)."""
    spec = quota.get("spec") or {}
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not scopes:
        return True
    return resource == PODS and all(_in_scope(obj, scope) for scope in scopes)


def total_usage(quota: Object, objects: Iterable[tuple[Resource, Object]]) -> dict[str, Decimal]:
    """The sum over the objects for each name that the quota limits."""
    wanted: Mapping[str, Any] = (quota.get("spec") or {}).get("hard") or {}
    total = {name: Decimal(0) for name in wanted}
    for resource, obj in objects:
        if not matches_scopes(quota, resource, obj):
            continue
        for name, amount in usage_of(resource, obj).items():
            if name in total:
                total[name] += amount
    return total


def is_best_effort(pod: Object) -> bool:
    """No container asks for or is limited in cpu or memory."""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ()), spec]
    for container in containers:
        resources = container.get("resources") or {}
        for kind in ("requests", "limits"):
            if any(name in (resources.get(kind) or {}) for name in ("cpu", "memory")):
                return False
    return True


def _pod_usage(pod: Object) -> Usage:
    if has_ended(pod):
        return {}
    usage: Usage = {"pods": Decimal(1)}
    for name, amount in pod_requests(pod).items():
        value = Decimal(amount) / 1000 if name == "cpu" else Decimal(amount)
        usage[f"requests.{name}"] = value
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-"):
            usage[name] = value
    for name, amount in pod_limits(pod).items():
        usage[f"limits.{name}"] = Decimal(amount) / 1000 if name == "cpu" else Decimal(amount)
    return usage


def _service_usage(service: Object) -> Usage:
    spec = service.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or ()
    if kind == "NodePort":
        return {"services.nodeports": Decimal(len(ports))}
    if kind == "LoadBalancer":
        allocated = (
            ports if spec.get("allocateLoadBalancerNodePorts", True) else [p for p in ports if p.get("nodePort")]
        )
        return {"services.loadbalancers": Decimal(1), "services.nodeports": Decimal(len(allocated))}
    return {}


def _claim_usage(claim: Object) -> Usage:
    spec = claim.get("spec") or {}
    asked = parse_quantity(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))
    usage: Usage = {"requests.storage": asked}
    name = spec.get("storageClassName")
    if name:
        usage[f"{name}{_STORAGE_CLASS_SUFFIX}requests.storage"] = asked
        usage[f"{name}{_STORAGE_CLASS_SUFFIX}persistentvolumeclaims"] = Decimal(1)
    return usage


def _in_scope(pod: Object, scope: Object) -> bool:
    spec = pod.get("spec") or {}
    name, operator = scope.get("scopeName"), scope.get("operator")
    if name in ("Terminating", "NotTerminating"):
        return bool((spec.get("activeDeadlineSeconds") is not None) == (name == "Terminating"))
    if name in ("BestEffort", "NotBestEffort"):
        return bool(is_best_effort(pod) == (name == "BestEffort"))
    if name == "PriorityClass":
        return _has_value(spec.get("priorityClassName") or "", str(operator), scope.get("values") or ())
    return name == "CrossNamespacePodAffinity" and _crosses_namespaces(spec.get("affinity") or {})


def _has_value(value: str, operator: str, values: Iterable[str]) -> bool:
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    return bool(value) == (operator == "Exists")


def _crosses_namespaces(affinity: Object) -> bool:
    terms: list[Object] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [entry.get("podAffinityTerm") or {} for entry in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)
