"""Addresses that a load balancer reports in the status of an Ingress."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check
from minikube_py.api import names
from minikube_py.api.fields import invalid
from minikube_py.api.types import Object

NOT_AN_IP = "must be a DNS name, not an IP address"
_PATH = "status.loadBalancer.ingress"


def ingress_points(obj: Object) -> list[Fields]:
    """What stands under ``status.loadBalancer.ingress``."""
    found: list[Fields] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def validate_ingress_points(new: Object, old: Object, errors: Errors) -> None:
    """Addresses and names; an address that was there before is kept, however it is written."""
    known = {point.get("ip") for point in ingress_points(old)}
    for index, point in enumerate(ingress_points(new)):
        address, hostname = point.get("ip") or "", point.get("hostname") or ""
        if address and address not in known:
            check(names.ip_address, address, f"{_PATH}[{index}].ip", errors)
        if hostname:
            check(names.dns1123_subdomain, hostname, f"{_PATH}[{index}].hostname", errors)
            refuse_address(hostname, f"{_PATH}[{index}].hostname", errors)


def refuse_address(host: str, path: str, errors: Errors) -> None:
    """That a host is a name."""
    if names.parse_ip(host) is not None:
        errors.append(invalid(path, host, NOT_AN_IP))
