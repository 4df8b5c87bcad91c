"""The nftables layout of the routing table: which map elements and chains a route becomes. Pure.

Two global maps hold everything that is particular to a Service. ``services`` gives an address, protocol and port a
label, which the small map ``chains`` turns into the chain for the *number* of its endpoints; the chain draws a number
and takes the endpoint from ``endpoints`` under the same address, protocol, port and that number. So no chain or rule is
made per Service, and a change of an endpoint is a change of a map element (measured: docs/dataplane.md). Only session
affinity and source ranges have chains of their own.

The label stands between the two because the kernel checks the whole of a map that leads to chains for loops with every
element that is added to it: 1.5 ms with 10,000 Services, nothing with the few chains there are.

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
from hashlib import blake2b
from ipaddress import ip_address
from typing import NamedTuple

from minikube_py.dataplane.model import Backends, Frontend, KeepSource, Kind, PortKey, Route, Verdict
from minikube_py.dataplane.nftables import messages as nf

SERVICES, CHAINS, ENDPOINTS, LOCALS, LOCAL_CHAINS, PODS, LOCAL_PODS, OWN, HAIRPINS, AFFINITY = SETS = (
    "services", "chains", "endpoints", "locals", "local-chains", "pods", "local-pods", "own", "hairpins", "affinity",
)  # fmt: skip
#: Sets are numbered, so that rules of the same transaction can refer to them.
IDENTITIES = {name: number for number, name in enumerate(SETS, 1)}
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
    def label(self) -> bytes:
        """What the maps call it."""
        return struct.pack("!cxHI", self.kind.encode(), self.size, self.sticky)

    @property
    def needs(self) -> tuple[Chain, ...]:
        """Chains that its rules go to."""
        return (self._replace(kind="p"), self._replace(kind="m")) if self.kind == "e" else ()


class Nothing(NamedTuple):
    """A fixed chain for those who get nothing."""

    name: str
    label: bytes


DROP, REFUSE = Nothing(DROP_CHAIN, b"drop\0\0\0\0"), Nothing(REFUSE_CHAIN, b"refuse\0\0")


class Guard(NamedTuple):
    """A chain that lets only ``ranges`` through to the chain ``target``."""

    frontend: str
    target: str
    ranges: tuple[str, ...]

    @property
    def name(self) -> str:
        """As it is called in the kernel: it changes with its contents, so that replacing it is atomic."""
        return f"ranges-{self.frontend}-{self._digest.hex()[:8]}"

    @property
    def label(self) -> bytes:
        """What the maps call it."""
        return b"r" + self._digest

    @property
    def _digest(self) -> bytes:
        return blake2b(repr(self).encode(), digest_size=7).digest()


Target = Chain | Guard | Nothing


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
        target = REFUSE
    if route.source_ranges and target != REFUSE:
        at = route.frontend
        guard = Guard(f"{at.ip}-{at.port}-{at.protocol}", target.name, route.source_ranges)
        layout.guards.add(guard)
        target = guard
    _send(layout, key, target, SERVICES, CHAINS)
    return layout


def _send(layout: Layout, key: bytes, target: Target, front_ends: str, chains: str) -> None:
    layout.elements[front_ends, key] = nf.value(target.label)
    layout.elements[chains, target.label] = goto(target.name)


def _entry(layout: Layout, route: Route, key: bytes, sticky: int) -> Target | None:
    """The chain for the front end; None where it refuses."""
    inside, outside = route.inside, route.outside
    if inside.verdict is Verdict.REJECT:
        return None
    if inside.verdict is Verdict.DROP:
        return DROP
    _put_endpoints(layout, key, inside, 0)
    seconds = route.affinity_seconds if sticky else 0
    count = len(inside.endpoints)
    if route.keep_source is not KeepSource.ALL:
        kind = "c" if route.keep_source is KeepSource.PODS else "m"
        return _chain(layout, Chain(kind, count, sticky * 2, seconds))
    local: Target = DROP
    if outside.verdict is not Verdict.DROP:
        _put_endpoints(layout, key, outside, LOCAL)
        sticky_local = sticky * 2 + 1 if sticky else 0
        local = _chain(layout, Chain("k", len(outside.endpoints), sticky_local, seconds))
    _send(layout, key, local, LOCALS, LOCAL_CHAINS)
    return _chain(layout, Chain("e", count, sticky * 2, seconds))


def _chain(layout: Layout, chain: Chain) -> Chain:
    layout.chains.add(chain)
    layout.chains.update(chain.needs)
    return chain


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


def family_of_front_end(frontend: Frontend) -> int:
    """The netfilter family of a front end."""
    return nf.IPV6 if ":" in frontend.ip else nf.IPV4


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
