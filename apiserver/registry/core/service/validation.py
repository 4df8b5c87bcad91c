"""Checks of Services (``validateService``), their changes and their status."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check, one_of, port_number_or_name, require_one_of
from apiserver.registry.core.endpointaddress import validate_endpoint_ip
from apiserver.registry.core.podspec.containers import PROTOCOLS
from apiserver.registry.core.service.clusterips import (
    validate_address_changes,
    validate_cluster_ips,
    validate_family_changes,
)
from apiserver.registry.core.service.defaults import (
    externally_accessible,
    is_headless,
    needs_health_check,
)
from apiserver.registry.metadata import validate_labels
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, required
from minikube_py.api.types import Object

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_LONGEST_AFFINITY = 86400
_ONLY_LB = "may only be used when `type` is 'LoadBalancer'"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def validate_service(service: Object, errors: Errors) -> None:
    """A new Service."""
    _validate(service, None, errors)


def validate_service_change(service: Object, old: Object, errors: Errors) -> None:
    """``ValidateServiceUpdate``."""
    spec, before = service["spec"], old["spec"]
    validate_address_changes(spec, before, errors)
    validate_family_changes(spec, before, errors)
    both = before.get("type") == spec.get("type") == "LoadBalancer"
    if both and before.get("loadBalancerClass") != spec.get("loadBalancerClass"):
        errors.append(invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set"))
    checked = needs_health_check(before) and needs_health_check(spec)
    if checked and before.get("healthCheckNodePort") != spec.get("healthCheckNodePort"):
        errors.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    _validate(service, before, errors)


def _validate(service: Object, before: Fields | None, errors: Errors) -> None:
    spec, annotations = service["spec"], service["metadata"].get("annotations") or {}
    if annotations.get(_MODE, annotations.get(_HINTS)) != annotations.get(_HINTS) and _HINTS in annotations:
        detail = f"must match annotations[{_HINTS}] when both are specified"
        errors.append(invalid(f"metadata.annotations[{_MODE}]", annotations[_MODE], detail))
    _validate_type(spec, errors)
    _validate_ports(spec, errors)
    if selector := spec.get("selector"):
        validate_labels(selector, "spec.selector", errors)
    _validate_affinity(spec, errors)
    validate_cluster_ips(spec, before, errors)
    _validate_external_ips(spec, before, errors)
    require_one_of(spec.get("type"), _TYPES, "spec.type", errors)
    _validate_port_numbers(spec, errors)
    _validate_source_ranges(spec, before, annotations, errors)
    _validate_load_balancer(spec, errors)
    _validate_traffic(spec, errors)


def _validate_type(spec: Fields, errors: Errors) -> None:
    kind, headless = spec.get("type"), is_headless(spec)
    if not spec.get("ports") and not headless and kind != "ExternalName":
        errors.append(required("spec.ports"))
    if headless and kind in ("LoadBalancer", "NodePort"):
        errors.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind != "ExternalName":
        return
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            errors.append(forbidden(f"spec.{name}", "may not be set for ExternalName services"))
    target = (spec.get("externalName") or "").removesuffix(".")
    if target:
        check(names.dns1123_subdomain, target, "spec.externalName", errors)
    else:
        errors.append(required("spec.externalName"))


def _validate_ports(spec: Fields, errors: Errors) -> None:
    ports, seen = spec.get("ports") or [], set[str]()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name") or ""
        if not name and len(ports) > 1:
            errors.append(required(f"{path}.name"))
        elif name:
            check(names.dns1123_label, name, f"{path}.name", errors)
            if name in seen:
                errors.append(duplicate(f"{path}.name", name))
            seen.add(name)
        number = port.get("port") or 0
        errors.extend(invalid(f"{path}.port", number, text) for text in names.port_number(number))
        require_one_of(port.get("protocol"), PROTOCOLS, f"{path}.protocol", errors)
        port_number_or_name(port.get("targetPort"), f"{path}.targetPort", errors)
        if port.get("appProtocol") is not None:
            check(names.qualified_name, port["appProtocol"], f"{path}.appProtocol", errors)


def _validate_port_numbers(spec: Fields, errors: Errors) -> None:
    ports = spec.get("ports") or []
    if spec.get("type") == "ClusterIP":
        errors.extend(
            forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
            for index, port in enumerate(ports)
            if port.get("nodePort")
        )
    node_ports, numbers = set[tuple[str, int]](), set[tuple[str, int]]()
    for index, port in enumerate(ports):
        key = (port.get("protocol") or "", port.get("nodePort") or 0)
        if key[1] and key in node_ports:
            errors.append(duplicate(f"spec.ports[{index}].nodePort", key[1]))
        node_ports.add(key)
    for index, port in enumerate(ports):
        key = (port.get("protocol") or "", port.get("port") or 0)
        if key in numbers:
            shown = {
                "Name": "",
                "Protocol": key[0],
                "AppProtocol": None,
                "Port": key[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            errors.append(duplicate(f"spec.ports[{index}]", shown))
        numbers.add(key)


def _validate_affinity(spec: Fields, errors: Errors) -> None:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    require_one_of(affinity, ("ClientIP", "None"), "spec.sessionAffinity", errors)
    path = "spec.sessionAffinityConfig"
    if affinity == "None" and config is not None:
        errors.append(forbidden(path, "must not be set when session affinity is None"))
    if affinity != "ClientIP":
        return
    missing = "when session affinity type is ClientIP"
    if config is None:
        errors.append(required(path, missing))
    elif config.get("clientIP") is None:
        errors.append(required(f"{path}.clientIP", missing))
    elif config["clientIP"].get("timeoutSeconds") is None:
        errors.append(required(f"{path}.clientIP.timeoutSeconds", missing))
    elif not 0 < config["clientIP"]["timeoutSeconds"] <= _LONGEST_AFFINITY:
        detail = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
        errors.append(invalid(f"{path}.clientIP.timeoutSeconds", config["clientIP"]["timeoutSeconds"], detail))


def _validate_external_ips(spec: Fields, before: Fields | None, errors: Errors) -> None:
    known = (before or {}).get("externalIPs") or ()
    for index, address in enumerate(spec.get("externalIPs") or ()):
        path, found = f"spec.externalIPs[{index}]", [] if address in known else names.ip_address(address)
        errors.extend(invalid(path, address, text) for text in found)
        if not found:
            validate_endpoint_ip(address, path, errors)


def _validate_source_ranges(spec: Fields, before: Fields | None, annotations: dict[str, str], errors: Errors) -> None:
    ranges, kind = spec.get("loadBalancerSourceRanges") or (), spec.get("type")
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        if kind != "LoadBalancer":
            errors.append(forbidden(path, _ONLY_LB))
        known = [value.strip() for value in (before or {}).get("loadBalancerSourceRanges") or ()]
        for index, value in enumerate(ranges):
            if value.strip() not in known:
                check(names.cidr, value.strip(), f"{path}[{index}]", errors)
    elif _RANGES in annotations:
        path = f"metadata.annotations[{_RANGES}]"
        if kind != "LoadBalancer":
            errors.append(forbidden(path, _ONLY_LB))
        for value in annotations[_RANGES].strip().split(",") if annotations[_RANGES].strip() else ():
            check(names.cidr, value.strip(), path, errors)


def _validate_load_balancer(spec: Fields, errors: Errors) -> None:
    balanced = spec.get("type") == "LoadBalancer"
    allocate, class_name = spec.get("allocateLoadBalancerNodePorts"), spec.get("loadBalancerClass")
    if allocate is not None and not balanced:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LB))
    if allocate is None and balanced:
        errors.append(required("allocateLoadBalancerNodePorts"))
    if class_name is None:
        return
    if balanced:
        check(names.qualified_name, class_name, "spec.loadBalancerClass", errors)
    else:
        errors.append(forbidden("spec.loadBalancerClass", _ONLY_LB))


def _validate_traffic(spec: Fields, errors: Errors) -> None:
    external, health = spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort") or 0
    if externally_accessible(spec):
        require_one_of(external, ("Cluster", "Local"), "spec.externalTrafficPolicy", errors)
    elif external:
        detail = "may only be set for externally-accessible services"
        errors.append(invalid("spec.externalTrafficPolicy", external, detail))
    if needs_health_check(spec):
        if not health:
            errors.append(required("spec.healthCheckNodePort"))
        else:
            found = names.port_number(health)
            errors.extend(invalid("spec.healthCheckNodePort", health, text) for text in found)
    elif health:
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid("spec.healthCheckNodePort", health, detail))
    internal, distribution = spec.get("internalTrafficPolicy"), spec.get("trafficDistribution")
    if internal is not None:
        one_of(internal, ("Cluster", "Local"), "spec.internalTrafficPolicy", errors)
    elif spec.get("type") in ("NodePort", "LoadBalancer", "ClusterIP"):
        errors.append(required("spec.internalTrafficPolicy"))
    if distribution is not None:
        choices = ("PreferClose", "PreferSameZone", "PreferSameNode")
        one_of(distribution, choices, "spec.trafficDistribution", errors, listed=choices)


def validate_service_status(new: Object, old: Object, errors: Errors) -> None:
    """status.loadBalancer: addresses and names of load balancers."""
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    path = "status.loadBalancer.ingress"
    if ingress and new["spec"].get("type") != "LoadBalancer":
        errors.append(forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'"))
        return
    before = ((old.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    known = {item.get("ip") for item in before}
    for index, item in enumerate(ingress):
        _validate_ingress(item, known, f"{path}[{index}]", errors)


def _validate_ingress(item: Fields, known: set[str | None], path: str, errors: Errors) -> None:
    address, mode, hostname = item.get("ip") or "", item.get("ipMode"), item.get("hostname") or ""
    if address and address not in known:
        check(names.ip_address, address, f"{path}.ip", errors)
    if mode is None and address:
        errors.append(required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif mode is not None and not address:
        errors.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    elif mode is not None:
        one_of(mode, ("Proxy", "VIP"), f"{path}.ipMode", errors)
    if hostname:
        check(names.dns1123_subdomain, hostname, f"{path}.hostname", errors)
        if names.parse_ip(hostname) is not None:
            detail = "must be a DNS name, not an IP address"
            errors.append(invalid(f"{path}.hostname", hostname, detail))
