"""Which cluster addresses and node ports are in use, and which come next.

Asking changes nothing: ``check`` says whether a wanted value can be had, ``pick`` proposes a free one. Only ``record``,
called when a write has been committed, changes the books; a failed or dry-run write therefore leaks nothing. ``pick``
leaves a lower band of each range alone as long as it can, so that values asked for by name rarely collide with it
(KEP-3070, KEP-3668).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
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
    def of(cls, cidr: str) -> AddressRange:
        """The range of a CIDR: its network address (and an IPv4 broadcast address) is never given out."""
        network = ipaddress.ip_network(cidr)
        first, last = int(network.network_address) + 1, int(network.broadcast_address)
        if network.version == 4 and network.prefixlen < 31:
            last -= 1
        return cls(network, Pool(first, last, _band(network.num_addresses, *_IP_BAND)))

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return address in self.network

    def text(self, number: int) -> str:
        """The address of a number."""
        return str(ipaddress.IPv4Address(number) if self.network.version == 4 else ipaddress.IPv6Address(number))


@dataclass(slots=True)
class ServiceAllocators:
    """The cluster's Service addresses (a list of ranges per family, primary family first) and node ports."""

    ranges: dict[str, list[AddressRange]]
    ports: Pool
    chance: random.Random = field(default_factory=random.Random)

    @classmethod
    def from_network(cls, network: Network, chance: random.Random | None = None) -> ServiceAllocators:
        """Empty books for a cluster's configuration."""
        ranges: dict[str, list[AddressRange]] = {}
        for cidr in network.service_cidrs:
            ranges.setdefault(family_of(cidr), []).append(AddressRange.of(cidr))
        low, high = network.node_port_range
        ports = Pool(low, high, _band(high - low + 1, *_PORT_BAND))
        return cls(ranges, ports, chance or random.Random())

    @property
    def families(self) -> list[str]:
        """Configured families, the primary one first."""
        return list(self.ranges)

    def check_address(self, text: str) -> None:
        """Raises AllocationError when an address cannot be had."""
        address = ipaddress.ip_address(text)
        found = self._range_of(address)
        if found is None:
            raise AllocationError("the provided network does not match the current range")
        if not found.pool.first <= int(address) <= found.pool.last:
            raise AllocationError(
                f"the provided IP ({text}) is not in the valid range. The range of valid IPs is {found.network}"
            )
        if int(address) in found.pool.used:
            raise AllocationError("provided IP is already allocated")

    def pick_address(self, family: str) -> str:
        """A free address. Raises RangeFull."""
        for candidate in self.ranges.get(family, ()):
            try:
                return candidate.text(candidate.pool.pick(self.chance, set()))
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
        self._release(old)
        self._take(new)

    def rebuild(self, services: Iterable[Object]) -> None:
        """Starts the books anew from what is stored."""
        self.ports.used.clear()
        for candidates in self.ranges.values():
            for candidate in candidates:
                candidate.pool.used.clear()
        for service in services:
            self._take(service)

    def _release(self, service: Object | None) -> None:
        for text in addresses_of(service):
            address = ipaddress.ip_address(text)
            if (found := self._range_of(address)) is not None:
                found.pool.used.discard(int(address))
        self.ports.used -= node_ports_of(service)

    def _take(self, service: Object | None) -> None:
        for text in addresses_of(service):
            address = ipaddress.ip_address(text)
            if (found := self._range_of(address)) is not None:
                found.pool.used.add(int(address))
        self.ports.used |= node_ports_of(service)

    def _range_of(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> AddressRange | None:
        family = IPV4 if address.version == 4 else IPV6
        return next((found for found in self.ranges.get(family, ()) if address in found), None)


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
