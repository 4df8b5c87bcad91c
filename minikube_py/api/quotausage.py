"""What objects count for against a ResourceQuota: pure arithmetic, one for admission and for the quota's controller.

Semantics: kubernetes/kubernetes ``pkg/quota/v1/evaluator/core``. Objects count by number; pods by what they ask for,
until they have ended; claims by storage; Services by kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from minikube_py.api.meta import metadata, parse_time
from minikube_py.api.podresources import pod_limits, pod_requests
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.resources import (
    BUILTIN,
    CONFIGMAPS,
    EVENTS,
    EVENTS_V1,
    HORIZONTALPODAUTOSCALERS_V1,
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

#: Quota name to amount: cores of cpu, bytes, numbers.
Usage = dict[str, Decimal]

#: Resources with a quota name of their own; any resource also has ``count/PLURAL[.GROUP]``.
_NAMED = {
    resource.plural: resource
    for resource in (
        PODS, SERVICES, CONFIGMAPS, SECRETS, PERSISTENTVOLUMECLAIMS, REPLICATIONCONTROLLERS, RESOURCEQUOTAS,
    )
}  # fmt: skip
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
#: The second version of a kind is the same objects; events are not worth counting.
_NOT_COUNTED = (EVENTS, EVENTS_V1, HORIZONTALPODAUTOSCALERS_V1)
_COUNTABLE = {
    f"count/{resource.group_resource}": resource
    for resource in BUILTIN
    if resource.namespaced and {"create", "list", "watch"} <= set(resource.verbs) and resource not in _NOT_COUNTED
}


def usage_of(resource: Resource, obj: Object, now: datetime) -> Usage:
    """What one object counts for, under every name that a quota may use."""
    counted: Usage = {f"count/{resource.group_resource}": Decimal(1)}
    if resource is PODS:
        return counted | (_pod_usage(obj) if _is_charged(obj, now) else {})
    if _NAMED.get(resource.plural) is resource:
        counted[resource.plural] = Decimal(1)
    if resource is SERVICES:
        counted |= _service_usage(obj)
    elif resource is PERSISTENTVOLUMECLAIMS:
        counted |= _claim_usage(obj)
    return counted


def _is_charged(pod: Object, now: datetime) -> bool:
    """A pod that has ended costs nothing, nor does one that should be gone long since (its node may be lost)."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    meta = metadata(pod)
    deleted, grace = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")
    return not deleted or grace is None or now <= parse_time(deleted) + timedelta(seconds=grace)


def _pod_usage(pod: Object) -> Usage:
    usage: Usage = {"pods": Decimal(1)}
    for name, amount in pod_requests(pod).items():
        value = Decimal(amount) / 1000 if name == "cpu" else Decimal(amount)
        usage[f"requests.{name}"] = value
        if name in _COMPUTE or name.startswith("hugepages-"):
            usage[name] = value
    for name, amount in pod_limits(pod).items():
        if name in _COMPUTE:
            usage[f"limits.{name}"] = Decimal(amount) / 1000 if name == "cpu" else Decimal(amount)
    return usage


def _service_usage(service: Object) -> Usage:
    spec = service.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or ()
    if kind == "LoadBalancer" and not spec.get("allocateLoadBalancerNodePorts", True):
        ports = [port for port in ports if port.get("nodePort")]
    return {
        "services.nodeports": Decimal(len(ports) if kind in ("NodePort", "LoadBalancer") else 0),
        "services.loadbalancers": Decimal(1 if kind == "LoadBalancer" else 0),
    }


def _claim_usage(claim: Object) -> Usage:
    spec, allocated = claim.get("spec") or {}, (claim.get("status") or {}).get("allocatedResources") or {}
    usage: Usage = {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        sizes = (parse_quantity(size) for size in (asked, allocated.get("storage", asked)))
        usage["requests.storage"] = max(sizes).to_integral_value(ROUND_CEILING)
    if name := _storage_class(claim):
        usage |= {f"{name}{_STORAGE_CLASS}{key}": amount for key, amount in usage.items()}
        usage[f"{name}{_STORAGE_CLASS}persistentvolumeclaims"] = Decimal(1)
    return usage


def _storage_class(claim: Object) -> str:
    annotated = (metadata(claim).get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    return str(annotated or (claim.get("spec") or {}).get("storageClassName") or "")


def matches_scopes(quota: Object, resource: Resource, obj: Object) -> bool:
    """Whether a quota is about this object; one with scopes is about pods alone, or claims of some attributes class."""
    spec = quota.get("spec") or {}
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if resource is PODS:
        return all(_pod_in_scope(obj, scope) for scope in scopes)
    if resource is PERSISTENTVOLUMECLAIMS:
        return all(_claim_in_scope(obj, scope) for scope in scopes)
    return not scopes


def _pod_in_scope(pod: Object, scope: Mapping[str, Any]) -> bool:
    spec = pod.get("spec") or {}
    match scope.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return is_best_effort(pod)
        case "NotBestEffort":
            return not is_best_effort(pod)
        case "PriorityClass":
            name = spec.get("priorityClassName")
            return _selects(scope, [name] if name else [])
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec.get("affinity") or {})
    return False


def _claim_in_scope(claim: Object, scope: Mapping[str, Any]) -> bool:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    names = (
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return scope.get("scopeName") == "VolumeAttributesClass" and _selects(scope, [name for name in names if name])


def _selects(scope: Mapping[str, Any], names: list[str]) -> bool:
    """Whether the selector of a scope takes any of an object's names, or its having none."""
    requirement = Requirement("name", _OPERATORS[str(scope["operator"])], tuple(scope.get("values") or ()))
    return any(requirement.matches({"name": name}) for name in names) if names else requirement.matches({})


_OPERATORS: Mapping[str, Operator] = {
    "In": Operator.IN, "NotIn": Operator.NOT_IN, "Exists": Operator.EXISTS, "DoesNotExist": Operator.DOES_NOT_EXIST,
}  # fmt: skip


def is_best_effort(pod: Object) -> bool:
    """Whether nothing in the pod asks for, or is limited in, cpu or memory (its QoS class)."""
    spec = pod.get("spec") or {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()), spec):
        resources = container.get("resources") or {}
        if any((resources.get(kind) or {}).keys() & {"cpu", "memory"} for kind in ("requests", "limits")):
            return False
    return True


def _crosses_namespaces(affinity: Object) -> bool:
    terms: list[Object] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [entry.get("podAffinityTerm") or {} for entry in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


def counted_resources(hard: Iterable[str]) -> Iterator[Resource]:
    """The resources whose objects a quota with these names must count, each once."""
    wanted = {resource.group_resource: resource for name in hard if (resource := _owner_of(name)) is not None}
    yield from wanted.values()


def _owner_of(name: str) -> Resource | None:
    if name.startswith("count/"):
        return _COUNTABLE.get(name)
    if name.startswith("services."):
        return SERVICES
    if name == "requests.storage" or _STORAGE_CLASS in name:
        return PERSISTENTVOLUMECLAIMS
    return _NAMED.get(name, PODS)


def total_usage(quota: Object, objects: Iterable[tuple[Resource, Object]], now: datetime) -> Usage:
    """The sum over the objects for each name that the quota limits."""
    total: Usage = dict.fromkeys((quota.get("spec") or {}).get("hard") or {}, Decimal(0))
    for resource, obj in objects:
        if matches_scopes(quota, resource, obj):
            for name, amount in usage_of(resource, obj, now).items():
                if name in total:
                    total[name] += amount
    return total
