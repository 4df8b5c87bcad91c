"""Checks of addresses that traffic may be sent to (``ValidateEndpointIP``)."""

from __future__ import annotations

from apiserver.registry.checks import Errors
from minikube_py.api import names
from minikube_py.api.fields import invalid


def validate_endpoint_ip(address: str, path: str, errors: Errors) -> None:
    """No unspecified, loopback or link-local address: those would let a user reach into a node."""
    ip = names.parse_ip(address)
    if ip is None:
        errors.append(invalid(path, address, "must be a valid IP address"))
        return
    if ip.is_unspecified:
        errors.append(invalid(path, address, f"may not be unspecified ({address})"))
    if ip.is_loopback:
        errors.append(invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if ip.is_link_local:
        detail = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        errors.append(invalid(path, address, detail))
    if address.startswith("224.0.0.") or (ip.version == 6 and ip.packed[:2] == b"\xff\x02"):
        detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        errors.append(invalid(path, address, detail))
