"""How fast nodes may be emptied, zone by zone, when many fall silent at once. Pure but for the clock.

The rules are upstream's (``node_lifecycle_controller.go``): one node in ten seconds; a zone of which most nodes are
silent is probably cut off rather than dead, and is emptied ten times slower where it is large, else not at all; and
nobody is evicted while every node of the cluster is silent, for then it is we who hear nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum

from minikube_py.api.meta import labels_of
from minikube_py.api.types import Object
from minikube_py.controllers.nodes.health import ready_status

SECONDS_PER_NODE = 10.0
SLOW_SECONDS_PER_NODE = 100.0
LARGE_ZONE = 50
UNHEALTHY_PART = 0.55
_ZONE, _REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"


class ZoneState(StrEnum):
    """How a zone is doing."""

    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


def zone_of(node: Object) -> tuple[str, str]:
    """Region and zone; nodes without either are one zone of their own."""
    labels = labels_of(node)
    return labels.get(_REGION, ""), labels.get(_ZONE, "")


def zone_state(nodes: Iterable[Object]) -> ZoneState:
    """The state of a zone with these nodes."""
    ready = [ready_status(node) == "True" for node in nodes]
    silent = ready.count(False)
    if silent and silent == len(ready):
        return ZoneState.FULL
    if silent > 2 and silent / len(ready) >= UNHEALTHY_PART:
        return ZoneState.PARTIAL
    return ZoneState.NORMAL


class ZonePace:
    """Remembers when a node of each zone was emptied last."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], float] = {}

    def wait(self, node: Object, nodes: Iterable[Object], now: float) -> float | None:
        """Seconds until ``node`` may be emptied (0: now, and that counts), None while none of its zone may be.

        ``now`` is monotonic.
        """
        zones: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for one in nodes:
            zones[zone_of(one)].append(one)
        seconds = _seconds_per_node(zone_of(node), zones)
        if seconds is None:
            return None
        left = self._due.get(zone_of(node), now) - now
        if left > 0:
            return left
        self._due[zone_of(node)] = now + seconds
        return 0.0


def _seconds_per_node(zone: tuple[str, str], zones: Mapping[tuple[str, str], list[Object]]) -> float | None:
    states = {name: zone_state(nodes) for name, nodes in zones.items()}
    if all(state is ZoneState.FULL for state in states.values()):
        return None
    if states.get(zone) is not ZoneState.PARTIAL:
        return SECONDS_PER_NODE
    return SLOW_SECONDS_PER_NODE if len(zones[zone]) > LARGE_ZONE else None
