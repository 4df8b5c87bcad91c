"""Which cluster addresses and node ports are in use, and which come next.

Asking changes nothing: ``check`` says whether a wanted value can be had, ``pick`` proposes a free one. Only ``record``,
``reserve`` and ``release``, called when a write has been committed, change the books; a failed or dry-run write
therefore leaks nothing, and the books are at all times a function of what is stored. ``pick`` leaves a lower band of
each range alone as long as it can, so that values asked for by name rarely collide with it (KEP-3070, KEP-3668).

An address is taken while a Service holds it or an IPAddress object names it, whoever made that (KEP-1880).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from minikube_py.api.types import Object
from minikube_py.config.parts import Network

IPV4, IPV6 = "IPv4", "IPv6"
_IP_BAND = (16, 256, 16)
_PORT_BAND = (16, 128, 32)


class AllocationError(Exception):
    """A value cannot be had; the text says why, in the words clients see."""


class RangeFull(AllocationError):
    """Nothing is left."""

    def __init__(self) -> None:
        super().__init__("range is full")


def _band(size: int, smallest: int, largest: int, step: int) -> int:
    return 0 if size <= smallest else min(max(smallest, size // step), largest)


@dataclass(slots=True)
class Pool:
    """Numbers ``first`` to ``last``, both included, of which the lowest ``band`` are picked last."""

    first: int
    last: int
    band: int
    used: set[int] = field(default_factory=set)

    def pick(self, chance: random.Random, also_used: set[int]) -> int:
        """A free number. Raises RangeFull."""
        for low, high in ((self.first + self.band, self.last), (self.first, self.first + self.band - 1)):
            found = self._search(low, high, chance, also_used)
            if found is not None:
                return found
        raise RangeFull

    def _search(self, low: int, high: int, chance: random.Random, also_used: set[int]) -> int | None:
        if low > high:
            return None
        start = chance.randint(low, high)
        for numbers in (range(start, high + 1), range(low, start)):
            for number in numbers:
                if number not in self.used and number not in also_used:
                    return number
        return None


@dataclass(slots=True)
class AddressRange:
    """One range of cluster addresses."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    pool: Pool

    @classmethod
    def of(cls, cidr: str, used: set[int]) -> AddressRange:
        """The range of a CIDR: its network address (and an IPv4 broadcast address) is never given out.

        ``used`` is shared by all ranges of a family, for they may overlap and come and go.
        """
        network = ipaddress.ip_network(cidr)
        first, last = int(network.network_address) + 1, int(network.broadcast_address)
        if network.version == 4:
            last -= 1
        return cls(network, Pool(first, last, _band(network.num_addresses, *_IP_BAND), used))

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether the address can be given out of this range."""
        return address.version == self.network.version and self.pool.first <= int(address) <= self.pool.last

    def text(self, number: int) -> str:
        """The address of a number."""
        return str(ipaddress.IPv4Address(number) if self.network.version == 4 else ipaddress.IPv6Address(number))


@dataclass(slots=True)
class ServiceAllocators:
    """The cluster's Service addresses (the ranges of each configured family, primary family first) and node ports.

    ``held`` are the addresses of Services, ``reserved`` those that IPAddress objects name, both by family.
    """

    ranges: dict[str, list[AddressRange]]
    ports: Pool
    held: dict[str, set[int]]
    reserved: dict[str, set[int]]
    chance: random.Random = field(default_factory=random.Random)

    @classmethod
    def from_network(cls, network: Network, chance: random.Random | None = None) -> ServiceAllocators:
        """Empty books for a cluster's configuration."""
        families = list(dict.fromkeys(family_of(cidr) for cidr in network.service_cidrs))
        low, high = network.node_port_range
        ports = Pool(low, high, _band(high - low + 1, *_PORT_BAND))
        held, reserved = _by_family(families), _by_family(families)
        books = cls({family: [] for family in families}, ports, held, reserved, chance or random.Random())
        books.use_ranges(network.service_cidrs)
        return books

    @property
    def families(self) -> list[str]:
        """Configured families, the primary one first."""
        return list(self.ranges)

    def use_ranges(self, cidrs: Iterable[str]) -> None:
        """Gives addresses out of these ranges from now on. Those of families that are not configured are no use."""
        wanted = list(dict.fromkeys(cidrs))
        for family, used in self.held.items():
            self.ranges[family] = [AddressRange.of(cidr, used) for cidr in wanted if family_of(cidr) == family]

    def check_address(self, text: str) -> None:
        """Raises AllocationError when an address cannot be had."""
        address = ipaddress.ip_address(text)
        family = family_of(text)
        if not any(address in found for found in self.ranges.get(family, ())):
            raise AllocationError("the provided network does not match the current range")
        if int(address) in self.held[family] or int(address) in self.reserved[family]:
            raise AllocationError("provided IP is already allocated")

    def pick_address(self, family: str) -> str:
        """A free address. Raises RangeFull."""
        for candidate in self.ranges.get(family, ()):
            try:
                return candidate.text(candidate.pool.pick(self.chance, self.reserved[family]))
            except RangeFull:
                continue
        raise RangeFull

    def check_port(self, port: int, taken: set[int]) -> None:
        """Raises AllocationError when a node port cannot be had; ``taken`` are those of the same write."""
        if not self.ports.first <= port <= self.ports.last:
            raise AllocationError(
                "provided port is not in the valid range. "
                f"The range of valid ports is {self.ports.first}-{self.ports.last}"
            )
        if port in self.ports.used or port in taken:
            raise AllocationError("provided port is already allocated")

    def pick_port(self, taken: set[int]) -> int:
        """A free node port. Raises RangeFull."""
        return self.ports.pick(self.chance, taken)

    def record(self, old: Object | None, new: Object | None) -> None:
        """Enters a committed write of a Service: what it gave up is free, what it holds is used."""
        for family, number in _numbers(addresses_of(old)):
            self.held.get(family, set()).discard(number)
        self.ports.used -= node_ports_of(old)
        self._take(new)

    def reserve(self, addresses: Iterable[str]) -> None:
        """IPAddress objects of these names have been made."""
        for family, number in _numbers(addresses):
            self.reserved.get(family, set()).add(number)

    def release(self, addresses: Iterable[str]) -> None:
        """IPAddress objects of these names have gone; an address that a Service holds stays taken."""
        for family, number in _numbers(addresses):
            self.reserved.get(family, set()).discard(number)

    def rebuild(self, services: Iterable[Object], addresses: Iterable[str] = ()) -> None:
        """Starts the books anew from what is stored: Services, and the names of IPAddress objects."""
        self.ports.used.clear()
        for numbers in (*self.held.values(), *self.reserved.values()):
            numbers.clear()
        for service in services:
            self._take(service)
        self.reserve(addresses)

    def _take(self, service: Object | None) -> None:
        for family, number in _numbers(addresses_of(service)):
            self.held.get(family, set()).add(number)
        self.ports.used |= node_ports_of(service)


def _by_family(families: Iterable[str]) -> dict[str, set[int]]:
    return {family: set() for family in families}


def _numbers(addresses: Iterable[str]) -> Iterator[tuple[str, int]]:
    for text in addresses:
        yield family_of(text), int(ipaddress.ip_address(text))


def family_of(address: str) -> str:
    """The family of an address or a range."""
    return IPV6 if ":" in address else IPV4


def addresses_of(service: Object | None) -> list[str]:
    """The cluster addresses a Service holds."""
    spec = (service or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    return [text for text in spec.get("clusterIPs") or () if text and text != "None"]


def node_ports_of(service: Object | None) -> set[int]:
    """Every port a Service holds on all nodes, the health check's included."""
    spec = (service or {}).get("spec") or {}
    held = {port.get("nodePort") or 0 for port in spec.get("ports") or ()}
    if spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
        held.add(spec.get("healthCheckNodePort") or 0)
    return held - {0}
