"""The nftables layout of the routing table: which map elements and chains a route becomes. Pure.

Two global maps hold everything that is particular to a Service. ``services`` sends an address, protocol and port to a
chain for the *number* of its endpoints; the chain draws a number and takes the endpoint from ``endpoints`` under the
same address, protocol, port and that number. So no chain or rule is made per Service, and a change of an endpoint is a
change of a map element (measured: docs/dataplane.md). Only session affinity and source ranges have chains of their own.

Chains, with N endpoints:

- ``cN`` cluster IP: masquerades unless the client is a pod
- ``mN`` masquerades everybody
- ``pN`` keeps the client's address
- ``kN`` the same with the endpoints of this node (a second list, from index LOCAL on)
- ``eN`` external traffic under the Local policy: pods to ``pN``, the node itself to ``mN``, others through ``locals``
- ``drop``, ``refuse``
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from minikube_py.dataplane.model import Backends, KeepSource, Kind, PortKey, Route, Verdict
from minikube_py.dataplane.nftables import messages as nf

SERVICES, ENDPOINTS, LOCALS, PODS, OWN, HAIRPINS, AFFINITY = (
    "services", "endpoints", "locals", "pods", "own", "hairpins", "affinity",
)  # fmt: skip
#: Sets are numbered, so that rules of the same transaction can refer to them.
IDENTITIES = {
    name: number for number, name in enumerate((SERVICES, ENDPOINTS, LOCALS, PODS, OWN, HAIRPINS, AFFINITY), 1)
}
LOCAL = 0x10000
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}

DROP_CHAIN, REFUSE_CHAIN = "drop", "refuse"


class Chain(NamedTuple):
    """A chain by what it does. ``sticky`` is the number of the affinity it keeps, 0 for none."""

    kind: str
    size: int
    sticky: int = 0
    seconds: int = 0

    @property
    def name(self) -> str:
        """As it is called in the kernel."""
        return f"{self.kind}{self.size}" + (f"-affinity-{self.sticky}-{self.seconds}" if self.sticky else "")

    @property
    def needs(self) -> tuple[Chain, ...]:
        """Chains that its rules go to."""
        return (self._replace(kind="p"), self._replace(kind="m")) if self.kind == "e" else ()


class Guard(NamedTuple):
    """A chain that lets only ``ranges`` through to ``target``."""

    frontend: str
    target: str
    ranges: tuple[str, ...]

    @property
    def name(self) -> str:
        """As it is called in the kernel: it changes with its contents, so that replacing it is atomic."""
        return f"ranges-{self.frontend}-{abs(hash(self)) & 0xFFFFFFFF:08x}"


@dataclass(slots=True)
class Layout:
    """Everything that one route puts into the kernel. Keys are (set, key bytes), values the data bytes."""

    elements: dict[tuple[str, bytes], bytes | None] = field(default_factory=dict)
    chains: set[Chain] = field(default_factory=set)
    guards: set[Guard] = field(default_factory=set)


def layout_of(route: Route, *, sticky: int) -> Layout:
    """The layout of ``route``. ``sticky`` numbers its Service port's affinity, from 1."""
    layout = Layout()
    key = _key(route)
    foreign = route.kind in (Kind.EXTERNAL_IP, Kind.LOAD_BALANCER)
    target = _entry(layout, route, key, sticky if route.affinity_seconds else 0)
    if target is None:
        if not foreign:
            return layout  # nothing listens there: the kernel refuses by itself
        target = REFUSE_CHAIN
    if route.source_ranges and target != REFUSE_CHAIN:
        guard = Guard(
            f"{route.frontend.ip}-{route.frontend.port}-{route.frontend.protocol}", target, route.source_ranges
        )
        layout.guards.add(guard)
        target = guard.name
    layout.elements[SERVICES, key] = goto(target)
    return layout


def _entry(layout: Layout, route: Route, key: bytes, sticky: int) -> str | None:
    """The chain for the front end; None where it refuses."""
    inside, outside = route.inside, route.outside
    if inside.verdict is Verdict.REJECT:
        return None
    if inside.verdict is Verdict.DROP:
        return DROP_CHAIN
    _put_endpoints(layout, key, inside, 0)
    seconds = route.affinity_seconds if sticky else 0
    count = len(inside.endpoints)
    if route.keep_source is not KeepSource.ALL:
        kind = "c" if route.keep_source is KeepSource.PODS else "m"
        return _chain(layout, Chain(kind, count, sticky * 2, seconds))
    if outside.verdict is Verdict.DROP:
        local = DROP_CHAIN
    else:
        _put_endpoints(layout, key, outside, LOCAL)
        sticky_local = sticky * 2 + 1 if sticky else 0
        local = _chain(layout, Chain("k", len(outside.endpoints), sticky_local, seconds))
    layout.elements[LOCALS, key] = goto(local)
    return _chain(layout, Chain("e", count, sticky * 2, seconds))


def _chain(layout: Layout, chain: Chain) -> str:
    layout.chains.add(chain)
    layout.chains.update(chain.needs)
    return chain.name


def _put_endpoints(layout: Layout, key: bytes, backends: Backends, offset: int) -> None:
    elements = layout.elements
    for index, endpoint in enumerate(backends.endpoints, offset):
        address = packed_address(endpoint.ip)
        elements[ENDPOINTS, key + struct.pack("=I", index)] = nf.value(address + struct.pack("!HH", endpoint.port, 0))
        if endpoint.local:
            elements[HAIRPINS, address + address] = None


@lru_cache(maxsize=65_536)
def packed_address(ip: str) -> bytes:
    """An address as it is in a packet."""
    return ip_address(ip).packed


@lru_cache(maxsize=4096)
def goto(chain: str) -> bytes:
    """Data of a verdict map's element."""
    return nf.verdict(nf.GOTO, chain)


def _key(route: Route) -> bytes:
    frontend = route.frontend
    return packed_address(frontend.ip) + struct.pack("!B3xHxx", PROTOCOLS[frontend.protocol], frontend.port)


def affinity_key_number(key: bytes) -> int:
    """The number of the affinity in a key of the ``affinity`` map."""
    return int(struct.unpack("=I", key[-4:])[0])


def family_of_route(route: Route) -> int:
    """The netfilter family of a front end."""
    return nf.IPV6 if ":" in route.frontend.ip else nf.IPV4


class StickyNumbers:
    """Numbers for the Service ports that have session affinity; a number is never used twice."""

    def __init__(self) -> None:
        self._numbers: dict[PortKey, int] = {}
        self._next = 1

    def of(self, port: PortKey) -> int:
        """The number of a Service port."""
        number = self._numbers.get(port)
        if number is None:
            number = self._numbers[port] = self._next
            self._next += 1
        return number

    def forget(self, port: PortKey) -> None:
        """The Service port is gone, or has no affinity any more."""
        self._numbers.pop(port, None)

    def __len__(self) -> int:
        return len(self._numbers)
