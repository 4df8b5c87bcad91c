"""NetworkPolicies: who may talk to whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, one_of, require
from apiserver.registry.core.podspec.containers import PROTOCOLS
from apiserver.registry.ipwarnings import warn_cidr
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age, format_selector
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_TYPES = ("Ingress", "Egress")
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def _rules(policy: Object) -> Iterator[tuple[str, list[Fields], list[Fields]]]:
    """Path, ports and peers' place of every rule."""
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate((policy.get("spec") or {}).get(direction) or ()):
            yield f"spec.{direction}[{index}]", rule.get("ports") or [], rule.get(peers) or []


def _peers(policy: Object) -> Iterator[tuple[str, Fields]]:
    for path, _, peers in _rules(policy):
        side = "from" if path.startswith("spec.ingress") else "to"
        for index, peer in enumerate(peers):
            yield f"{path}.{side}[{index}]", peer


def _default(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    for _, ports, _ in _rules(policy):
        for port in ports:
            if port.get("protocol") is None:
                port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = list(_TYPES) if spec.get("egress") else ["Ingress"]


def _validate(policy: Object, errors: Errors, known: frozenset[str] = frozenset()) -> None:
    spec = policy.get("spec") or {}
    validate_label_selector(spec.get("podSelector"), "spec.podSelector", errors)
    for path, ports, _ in _rules(policy):
        for index, port in enumerate(ports):
            _validate_port(port, f"{path}.ports[{index}]", errors)
    for path, peer in _peers(policy):
        _validate_peer(peer, known, path, errors)
    types = spec.get("policyTypes") or []
    if len(types) > len(_TYPES):
        errors.append(invalid("spec.policyTypes", types, "may not specify more than two policyTypes"))
        return
    for index, kind in enumerate(types):
        one_of(kind, _TYPES, f"spec.policyTypes[{index}]", errors, listed=_TYPES)


def _validate_port(item: Fields, path: str, errors: Errors) -> None:
    port, end = item.get("port"), item.get("endPort")
    if item.get("protocol") is not None:
        one_of(item["protocol"], PROTOCOLS, f"{path}.protocol", errors, listed=("TCP", "UDP", "SCTP"))
    if isinstance(port, int):
        errors.extend(invalid(f"{path}.port", port, text) for text in names.port_number(port))
        if end is not None and end < port:
            errors.append(invalid(f"{path}.endPort", end, "must be greater than or equal to `port`"))
        if end is not None:
            errors.extend(invalid(f"{path}.endPort", end, text) for text in names.port_number(end))
        return
    if end is not None:
        why = "is not specified" if port is None else "is non-numeric"
        errors.append(invalid(f"{path}.endPort", end, f"may not be specified when `port` {why}"))
    if port is not None:
        check(names.port_name, port, f"{path}.port", errors)


def _validate_peer(peer: Fields, known: frozenset[str], path: str, errors: Errors) -> None:
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    block = peer.get("ipBlock")
    for name in selectors:
        validate_label_selector(peer[name], f"{path}.{name}", errors)
    if block is not None:
        _validate_block(block, known, f"{path}.ipBlock", errors)
    if not selectors and block is None:
        errors.append(required(path, "must specify a peer"))
    elif selectors and block is not None:
        errors.append(forbidden(path, "may not specify both ipBlock and another peer"))


def _validate_block(block: Fields, known: frozenset[str], path: str, errors: Errors) -> None:
    if not require(block, "cidr", path, errors):
        return
    if block["cidr"] not in known:
        check(names.cidr, block["cidr"], f"{path}.cidr", errors)
    whole = _network(block["cidr"])
    for index, part in enumerate(block.get("except") or ()):
        place = f"{path}.except[{index}]"
        if part not in known:
            check(names.cidr, part, place, errors)
        hole = _network(part)
        if whole and hole and not _strictly_within(hole, whole):
            errors.append(invalid(place, part, "must be a strict subset of `cidr`"))


_AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _AnyNetwork | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _strictly_within(part: _AnyNetwork, whole: _AnyNetwork) -> bool:
    return part.version == whole.version and part.prefixlen > whole.prefixlen and part.network_address in whole


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    blocks = [peer["ipBlock"] for _, peer in _peers(old) if peer.get("ipBlock")]
    known = {block.get("cidr") or "" for block in blocks}
    known |= {part for block in blocks for part in block.get("except") or ()}
    _validate(new, errors, frozenset(known))


def _warn(policy: Object, _old: Object | None) -> list[str]:
    warnings: list[str] = []
    for path, peer in _peers(policy):
        block = peer.get("ipBlock")
        if block:
            warnings += warn_cidr(block.get("cidr") or "", f"{path}.ipBlock.cidr")
            for index, part in enumerate(block.get("except") or ()):
                warnings += warn_cidr(part, f"{path}.ipBlock.except[{index}]")
    return warnings


def _cells(policy: Object, now: datetime) -> list[Any]:
    selector = (policy.get("spec") or {}).get("podSelector")
    return [name_of(policy), format_selector(selector), age(policy, now)]


def strategy(resource: Resource) -> KindStrategy:
    """NetworkPolicies."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        generation_fields=("spec",),
        validate_new=_validate,
        validate_change=_validate_change,
        table=Table((NAME, Column("Pod-Selector", description="The pods it is about."), AGE), _cells),
        warner=_warn,
    )
