"""Checks of a pod's names and resolvers: dnsConfig, hostAliases, hostnameOverride."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required, too_long

_NAMESERVERS = 3
_SEARCHES = 32
_SEARCH_LENGTH = 2048


def validate_dns_config(config: Fields | None, policy: str | None, path: str, errors: Errors) -> None:
    """spec.dnsConfig, which the policy None needs."""
    if policy == "None":
        if config is None:
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.get("nameservers"):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{path}.nameservers", detail))
            return
    if not config:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _NAMESERVERS:
        detail = f"must not have more than {_NAMESERVERS} nameservers"
        errors.append(invalid(f"{path}.nameservers", servers, detail))
    for index, server in enumerate(servers):
        check(names.ip_address, server, f"{path}.nameservers[{index}]", errors)
    _validate_searches(searches, f"{path}.searches", errors)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))


def _validate_searches(searches: list[str], path: str, errors: Errors) -> None:
    if len(searches) > _SEARCHES:
        errors.append(invalid(path, searches, f"must not have more than {_SEARCHES} search paths"))
    if len(" ".join(searches)) > _SEARCH_LENGTH:
        detail = f"must not have more than {_SEARCH_LENGTH} characters (including spaces) in the search list"
        errors.append(invalid(path, searches, detail))
    for index, search in enumerate(searches):
        if search != ".":
            check(names.dns1123_subdomain_with_underscore, search.removesuffix("."), f"{path}[{index}]", errors)


def validate_host_aliases(aliases: list[Fields], path: str, errors: Errors) -> None:
    """spec.hostAliases: lines of /etc/hosts."""
    for index, alias in enumerate(aliases):
        check(names.ip_address, alias.get("ip") or "", f"{path}[{index}].ip", errors)
        for number, hostname in enumerate(alias.get("hostnames") or ()):
            check(names.dns1123_subdomain, hostname, f"{path}[{index}].hostnames[{number}]", errors)


def validate_hostname_override(spec: Fields, path: str, errors: Errors) -> None:
    """spec.hostnameOverride (KEP-4762)."""
    name = spec.get("hostnameOverride")
    if name is None:
        return
    place = f"{path}.hostnameOverride"
    if spec.get("setHostnameAsFQDN"):
        errors.append(forbidden(place, "may not be specified when setHostnameAsFQDN is true"))
    if spec.get("hostNetwork"):
        errors.append(forbidden(place, "may not be specified when hostNetwork is true"))
    if len(name) > 64:
        errors.append(too_long(place, 64))
    check(names.dns1123_subdomain, name, place, errors)
