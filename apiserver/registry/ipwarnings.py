"""Warnings about addresses that are readable but not in their one good form (KEP-4858)."""

from __future__ import annotations

import ipaddress

from minikube_py.api import names


def warn_ip(value: str, path: str) -> list[str]:
    """What is odd about an IP address."""
    address = names.parse_ip(value)
    if address is None:
        return []
    if address.version == 6 and address.ipv4_mapped is not None:
        return [f'{path}: non-standard IP address "{value}" is invalid: use "{address.ipv4_mapped}"']
    if address.version == 6 and str(address) != value:
        return [f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")']
    return []


def warn_cidr(value: str, path: str) -> list[str]:
    """What is odd about an address range."""
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        return []
    single = ipaddress.ip_interface(value.strip()).ip
    if single != network.network_address:
        shown = f'(should be "{network}" or "{single}/{network.max_prefixlen}"?)'
        return [f'{path}: CIDR value "{value}" is ambiguous in this context {shown}']
    if network.version == 6 and str(network) != value:
        return [f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{network}")']
    return []
