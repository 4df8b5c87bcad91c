"""Resources of a pod as a whole (KEP-2837): sums over containers, defaults and consistency; and its QoS class."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from apiserver.registry.checks import Errors, Fields
from apiserver.registry.core.podspec.options import PodFacts
from apiserver.registry.quantities import (
    amount,
    canonical,
    is_hugepages,
    is_overcommit_allowed,
    validate_pod_resource_name,
    validate_requirements,
)
from minikube_py.api.fields import forbidden, invalid
from minikube_py.api.quantity import format_quantity

_COMPUTE = ("cpu", "memory")


def aggregate(spec: Fields, kind: str) -> dict[str, Decimal]:
    """What the containers ask for together: regular ones and sidecars in sum, or the greediest init step."""
    totals: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        _add(totals, container, kind)
    sidecars: dict[str, Decimal] = {}
    peak: dict[str, Decimal] = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            _add(totals, container, kind)
            _add(sidecars, container, kind)
            step = dict(sidecars)
        else:
            step = dict(sidecars)
            _add(step, container, kind)
        for name, value in step.items():
            peak[name] = max(peak.get(name, value), value)
    for name, value in peak.items():
        totals[name] = max(totals.get(name, value), value)
    return totals


def _add(totals: dict[str, Decimal], container: Fields, kind: str) -> None:
    for name, value in ((container.get("resources") or {}).get(kind) or {}).items():
        totals[name] = totals.get(name, Decimal(0)) + amount(value)


def _supported(name: str) -> bool:
    return name in _COMPUTE or is_hugepages(name)


def default_pod_resources(spec: Fields) -> None:
    """Fills requests (and huge page limits) of a pod that says something about itself as a whole, in place."""
    resources = spec.get("resources")
    if not resources or not (resources.get("requests") or resources.get("limits")):
        return
    limits = dict(resources.get("limits") or {})
    requests = dict(resources.get("requests") or {})
    for name, value in aggregate(spec, "limits").items():
        if is_hugepages(name) and name not in requests:
            limits.setdefault(name, format_quantity(value))
    for name, value in aggregate(spec, "requests").items():
        if _supported(name) and is_overcommit_allowed(name):
            requests.setdefault(name, format_quantity(value))
    for name, value in limits.items():
        if _supported(name):
            requests.setdefault(name, value)
    for kind, filled in (("limits", limits), ("requests", requests)):
        if filled:
            resources[kind] = filled


def validate_pod_resources(resources: Fields, spec: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    """spec.resources, alone and against the containers'."""
    if facts.os_name == "windows":
        errors.append(forbidden(path, "may not be set for a windows pod"))
        return
    if resources.get("claims") is not None:
        errors.append(forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level"))
    validate_requirements(resources, path, errors, name_check=validate_pod_resource_name, claim_names=facts.claim_names)
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    _covers(requests, aggregate(spec, "requests"), f"{path}.requests", "requests", lambda _: True, errors)
    _covers(limits, aggregate(spec, "limits"), f"{path}.limits", "limits", is_hugepages, errors)
    _validate_container_limits(spec, limits, path, errors)


def _covers(
    given: Fields, asked: dict[str, Decimal], path: str, kind: str, applies: Callable[[str], bool], errors: Errors
) -> None:
    for name, value in asked.items():
        if name in given and applies(name) and value > amount(given[name]):
            detail = f"must be greater than or equal to aggregate container {kind} of {format_quantity(value)}"
            errors.append(invalid(f"{path}[{name}]", canonical(given[name]), detail))


def _validate_container_limits(spec: Fields, limits: Fields, path: str, errors: Errors) -> None:
    for index, container in enumerate(spec.get("containers") or ()):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and amount(value) > amount(limits[name]):
                detail = f"must be less than or equal to pod limits of {canonical(limits[name])}"
                errors.append(invalid(f"{path}.containers[{index}][{name}].limits", canonical(value), detail))


def qos_class(spec: Fields) -> str:
    """Guaranteed, Burstable or BestEffort, from cpu and memory."""
    resources = spec.get("resources") or {}
    if any(_supported(name) for kind in ("requests", "limits") for name in resources.get(kind) or ()):
        return _requirements_qos(resources)
    found = {
        _requirements_qos(container.get("resources") or {})
        for kind in ("initContainers", "containers")
        for container in spec.get(kind) or ()
    }
    if len(found) > 1:
        return "Burstable"
    return found.pop() if found else "BestEffort"


def _requirements_qos(resources: Fields) -> str:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    if not requests and not limits:
        return "BestEffort"
    found = {_resource_qos(requests.get(name), limits.get(name)) for name in _COMPUTE}
    return "Burstable" if len(found) > 1 else found.pop()


def _resource_qos(request: object, limit: object) -> str:
    asked = Decimal(0) if request is None else amount(request)
    if asked != (Decimal(0) if limit is None else amount(limit)):
        return "Burstable"
    return "Guaranteed" if asked else "BestEffort"
