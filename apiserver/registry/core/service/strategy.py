"""The strategy of Services. The allocators are the API server's; strategies of one server share them."""

from __future__ import annotations

from apiserver.registry.context import RequestContext
from apiserver.registry.core.service.allocation import allocate_change, allocate_new, drop_type_dependent
from apiserver.registry.core.service.allocators import ServiceAllocators
from apiserver.registry.core.service.defaults import default_service
from apiserver.registry.core.service.printer import TABLE
from apiserver.registry.core.service.validation import (
    validate_service,
    validate_service_change,
    validate_service_status,
)
from apiserver.registry.ipwarnings import warn_cidr, warn_ip
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from minikube_py.api.names import label_name
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


def _warn(service: Object, _old: Object | None) -> list[str]:
    spec, warnings = service.get("spec") or {}, []
    if "service.kubernetes.io/topology-aware-hints" in (service["metadata"].get("annotations") or {}):
        advice = "is deprecated, please use service.kubernetes.io/topology-mode instead"
        warnings.append(f"annotation service.kubernetes.io/topology-aware-hints {advice}")
    headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == "None"
    if spec.get("clusterIP") and spec["clusterIP"] != "None":
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            warnings += warn_ip(address, f"spec.clusterIPs[{index}]")
    if headless:
        warnings += [f"spec.{name} is ignored for headless services" for name in _ignored_when_headless(spec)]
    warnings += _external_warnings(spec, headless)
    for index, cidr in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        warnings += warn_cidr(cidr, f"spec.loadBalancerSourceRanges[{index}]")
    if spec.get("type") != "ExternalName" and spec.get("externalName"):
        warnings.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        warnings.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return warnings


def _ignored_when_headless(spec: Object) -> list[str]:
    ignored = [name for name in ("loadBalancerIP", "externalIPs") if spec.get(name)]
    return ignored + (["SessionAffinity"] if spec.get("sessionAffinity") not in (None, "", "None") else [])


def _external_warnings(spec: Object, headless: bool) -> list[str]:
    addresses, warnings = spec.get("externalIPs") or (), []
    for index, address in enumerate(addresses):
        warnings += warn_ip(address, f"spec.externalIPs[{index}]")
    if addresses and spec.get("type") == "ExternalName":
        warnings.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    elif addresses and not headless:
        warnings.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    return warnings


def strategy(resource: Resource, allocators: ServiceAllocators) -> KindStrategy:
    """Services of one API server."""

    def prepare_new(service: Object, _ctx: RequestContext) -> None:
        allocate_new(service, allocators)

    def prepare_change(new: Object, old: Object, _ctx: RequestContext) -> None:
        allocate_change(new, old, allocators)
        drop_type_dependent(new, old)

    return KindStrategy(
        resource=resource,
        name_rule=label_name,
        defaulter=default_service,
        has_status=True,
        new_status=lambda: {"loadBalancer": {}},
        prepare_new=prepare_new,
        prepare_change=prepare_change,
        validate=validate_service,
        validate_change=validate_service_change,
        revalidate=False,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=validate_service_status)},
        table=TABLE,
        warner=_warn,
        on_commit=allocators.record,
        allow_create_on_update=True,
    )
