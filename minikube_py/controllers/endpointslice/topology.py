"""Zone hints in proportion to the zones' CPU, for Services with ``service.kubernetes.io/topology-mode: Auto``. Pure.

Semantics and messages: KEP-2433 and k8s.io/endpointslice ``topologycache``. Endpoints serve their own zone; zones with
more endpoints than their share of the cluster's CPU lend some to zones with fewer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from minikube_py.api.meta import annotations_of, condition_is_true, labels_of
from minikube_py.api.podresources import amounts
from minikube_py.api.types import Object
from minikube_py.controllers.endpointslice.desired import ZONE
from minikube_py.controllers.endpointslice.slices import Changes

_ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
_OVERLOAD = 0.2
_EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


class NoHints(Exception):
    """Hints cannot be given fairly; the text says why."""


@dataclass(frozen=True, slots=True)
class Share:
    """The endpoints a zone should have: its fair part, and the most it may keep before all is dealt anew."""

    desired: float
    maximum: int


def wants_topology(service: Object) -> bool:
    """Whether the Service asks for these hints; the older annotation wins."""
    annotations = annotations_of(service)
    value = next((annotations[name] for name in _ANNOTATIONS if name in annotations), "")
    return value in ("Auto", "auto")


def zone_ratios(nodes: Iterable[Object]) -> dict[str, float]:
    """Each zone's part of the CPU of the ready nodes. Raises NoHints where a node does not tell."""
    cpu: dict[str, int] = {}
    for node in nodes:
        labels = labels_of(node)
        status = node.get("status") or {}
        if any(name in labels for name in _EXCLUDED) or not condition_is_true(status.get("conditions"), "Ready"):
            continue
        amount = amounts(status.get("allocatable")).get("cpu", 0)
        if not labels.get(ZONE) or not amount:
            raise NoHints("Insufficient Node information: allocatable CPU or zone not specified on one or more nodes")
        cpu[labels[ZONE]] = cpu.get(labels[ZONE], 0) + amount
    if len(cpu) < 2:
        raise NoHints("Nodes only ready in one zone")
    return {zone: amount / sum(cpu.values()) for zone, amount in cpu.items()}


def plan_shares(ratios: Mapping[str, float], count: int) -> dict[str, Share]:
    """What each zone should get of ``count`` ready endpoints. Raises NoHints where some would be overloaded."""
    facts = f"({count} endpoints, {len(ratios)} zones)"
    if len(ratios) > count:
        raise NoHints(f"Insufficient number of endpoints {facts}")
    least = {zone: math.ceil(ratio * count / (1 + _OVERLOAD)) for zone, ratio in ratios.items()}
    spare = count - sum(least.values())
    if spare < 0:
        raise NoHints(
            "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold " + facts
        )
    return {zone: Share(max(ratio * count, least[zone]), least[zone] + spare) for zone, ratio in ratios.items()}


def apply_topology(changes: Changes, nodes: Iterable[Object]) -> Changes:
    """The changes of one address family with hints. Slices whose hints still fit are left alone. Raises NoHints."""
    everything = [*changes.create, *changes.update, *changes.unchanged]
    ready = sum(1 for entry in everything for endpoint in entry.get("endpoints") or () if _is_ready(endpoint))
    shares = plan_shares(zone_ratios(nodes), ready)
    given: Counter[str] = Counter()
    kept: list[Object] = []
    dealt = list(changes.update)
    for entry in changes.unchanged:
        hints = _valid_hints(entry, given, shares)
        if hints is None:
            dealt.append(entry)
        else:
            given.update(hints)
            kept.append(entry)
    created = [_own_zones(entry, given) for entry in changes.create]
    updated = [_own_zones(entry, given) for entry in dealt]
    _lend([*created, *updated], *_balance(shares, given))
    return Changes(create=created, update=updated, delete=changes.delete, unchanged=kept)


def _valid_hints(entry: Object, given: Counter[str], shares: Mapping[str, Share]) -> Counter[str] | None:
    """The hints of a slice, None where one is missing or they would overfill a zone."""
    found: Counter[str] = Counter()
    for endpoint in entry.get("endpoints") or ():
        if not _is_ready(endpoint):
            continue
        zones = [zone["name"] for zone in (endpoint.get("hints") or {}).get("forZones") or ()]
        if not zones or any(zone not in shares for zone in zones):
            return None
        found.update(zones)
    fits = all(given[zone] + number <= shares[zone].maximum for zone, number in found.items())
    return found if fits else None


def _own_zones(entry: Object, given: Counter[str]) -> Object:
    endpoints = []
    for endpoint in entry.get("endpoints") or ():
        bare = {name: value for name, value in endpoint.items() if name != "hints"}
        if _is_ready(endpoint):
            zone = endpoint.get("zone")
            if not zone:
                raise NoHints("One or more endpoints do not have a zone specified")
            given[zone] += 1
            bare["hints"] = {"forZones": [{"name": zone}]}
        endpoints.append(bare)
    return entry | {"endpoints": endpoints}


def _balance(shares: Mapping[str, Share], given: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints each zone lends, and how many each borrows: always from the richest to the poorest."""
    surplus = {zone: given[zone] - share.desired for zone, share in sorted(shares.items())}
    lends: Counter[str] = Counter()
    borrows: Counter[str] = Counter()
    while True:
        rich, poor = max(surplus, key=lambda zone: surplus[zone]), min(surplus, key=lambda zone: surplus[zone])
        more, less = surplus[rich], -surplus[poor]
        if (more < 1 and less < 1) or more < 0.5 or less < 0.5:
            return lends, borrows
        lends[rich] += 1
        borrows[poor] += 1
        surplus[rich] -= 1
        surplus[poor] += 1


def _lend(slices: Sequence[Object], lends: Counter[str], borrows: Counter[str]) -> None:
    """Point endpoints of the lending zones to the borrowing ones. The slices are this plan's own copies."""
    takers = sorted(borrows.elements())
    for entry in slices:
        for endpoint in entry["endpoints"]:
            zone = endpoint.get("zone")
            if takers and zone and lends[zone] > 0 and _is_ready(endpoint):
                lends[zone] -= 1
                endpoint["hints"] = {"forZones": [{"name": takers.pop()}]}


def _is_ready(endpoint: Object) -> bool:
    return bool((endpoint.get("conditions") or {}).get("ready"))
