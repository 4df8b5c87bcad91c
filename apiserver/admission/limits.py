"""LimitRanger: defaults and bounds for what containers, pods and claims ask for in a namespace.

Follows ``plugin/pkg/admission/limitranger``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.refusals import refused
from minikube_py.api.meta import name_of
from minikube_py.api.quantity import format_quantity, parse_quantity
from minikube_py.api.resources import LIMITRANGES, PERSISTENTVOLUMECLAIMS, PODS
from minikube_py.api.types import Object

Quantities = Mapping[str, Any]


class LimitRanger(PassivePlugin):
    """Applies every LimitRange of the namespace."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Give the containers of a new pod the defaults."""
        if attributes.resource is PODS and attributes.operation == "CREATE" and not attributes.subresource:
            for limit_range in _limit_ranges(attributes):
                _default_pod(attributes.obj or {}, _items(limit_range, "Container"))
        return ()

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Refuse what is out of bounds, with every reason."""
        obj = attributes.obj
        if obj is None or attributes.subresource or attributes.resource not in (PODS, PERSISTENTVOLUMECLAIMS):
            return ()
        if attributes.operation == "UPDATE" and attributes.resource is PODS:
            return ()  # a pod's resources change through the resize subresource only
        check = _pod_faults if attributes.resource is PODS else _claim_faults
        faults = [fault for limit_range in _limit_ranges(attributes) for fault in check(obj, limit_range)]
        if faults:
            unique = list(dict.fromkeys(faults))
            why = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
            raise refused(attributes.resource, name_of(obj), why)
        return ()


def _limit_ranges(attributes: Attributes) -> Iterable[Object]:
    return attributes.reader.list(LIMITRANGES, attributes.namespace) if attributes.namespace else ()


def _items(limit_range: Object, kind: str) -> list[dict[str, Any]]:
    return [item for item in (limit_range.get("spec") or {}).get("limits") or () if item.get("type") == kind]


def _default_pod(pod: Object, items: Sequence[Mapping[str, Any]]) -> None:
    for item in items:
        for group in ("initContainers", "containers"):
            for container in pod["spec"].get(group) or ():
                resources = container.setdefault("resources", {})
                for kind, source in (("limits", "default"), ("requests", "defaultRequest")):
                    missing = {k: v for k, v in (item.get(source) or {}).items() if k not in resources.get(kind, {})}
                    if missing:
                        resources[kind] = {**resources.get(kind, {}), **missing}


def _pod_faults(pod: Object, limit_range: Object) -> Iterator[str]:
    containers = pod["spec"].get("containers") or []
    everyone = [*(pod["spec"].get("initContainers") or []), *containers]
    for item in _items(limit_range, "Container"):
        for container in everyone:
            resources = container.get("resources") or {}
            yield from _faults("Container", item, resources.get("requests") or {}, resources.get("limits") or {})
    for item in _items(limit_range, "Pod"):
        requests = _sum([(each.get("resources") or {}).get("requests") or {} for each in containers])
        limits = _sum([(each.get("resources") or {}).get("limits") or {} for each in containers])
        yield from _faults("Pod", item, requests, limits)


def _claim_faults(claim: Object, limit_range: Object) -> Iterator[str]:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    for item in _items(limit_range, "PersistentVolumeClaim"):
        bounds = {"min": item.get("min") or {}, "max": item.get("max") or {}}
        yield from _faults("PersistentVolumeClaim", bounds, requests, requests)


def _sum(parts: Sequence[Quantities]) -> dict[str, str]:
    """Totals of the resources that every part names."""
    names = set(parts[0]).intersection(*parts[1:]) if parts else set()
    return {name: format_quantity(sum((parse_quantity(part[name]) for part in parts), Decimal())) for name in names}


def _faults(kind: str, item: Mapping[str, Any], requests: Quantities, limits: Quantities) -> Iterator[str]:
    for name, bound in (item.get("min") or {}).items():
        yield from _below(kind, name, bound, requests.get(name), limits.get(name))
    for name, bound in (item.get("max") or {}).items():
        yield from _above(kind, name, bound, requests.get(name), limits.get(name))
    for name, bound in (item.get("maxLimitRequestRatio") or {}).items():
        yield from _ratio(kind, name, bound, requests.get(name), limits.get(name))


def _below(kind: str, name: str, bound: Any, request: Any, limit: Any) -> Iterator[str]:
    head = f"minimum {name} usage per {kind} is {bound}"
    if request is None:
        yield f"{head}.  No request is specified"
    elif parse_quantity(request) < parse_quantity(bound):
        yield f"{head}, but request is {request}"
    elif limit is not None and parse_quantity(limit) < parse_quantity(bound):
        yield f"{head}, but limit is {limit}"


def _above(kind: str, name: str, bound: Any, request: Any, limit: Any) -> Iterator[str]:
    head = f"maximum {name} usage per {kind} is {bound}"
    if limit is None:
        yield f"{head}.  No limit is specified"
    elif parse_quantity(limit) > parse_quantity(bound):
        yield f"{head}, but limit is {limit}"
    elif request is not None and parse_quantity(request) > parse_quantity(bound):
        yield f"{head}, but request is {request}"


def _ratio(kind: str, name: str, bound: Any, request: Any, limit: Any) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {bound}"
    if request is None or not parse_quantity(request):
        yield f"{head}, but no request is specified or request is 0"
    elif limit is None or not parse_quantity(limit):
        yield f"{head}, but no limit is specified or limit is 0"
    elif (ratio := parse_quantity(limit) / parse_quantity(request)) > parse_quantity(bound):
        yield f"{head}, but provided ratio is {ratio:f}"
