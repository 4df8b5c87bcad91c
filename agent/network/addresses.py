"""Which pod has which addresses on this node: pure allocation, and the leases that survive the agent."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

#: The first two addresses of a range stay free: the network's own, and the one people take for a gateway.
_RESERVED = 2


class NoAddressLeft(Exception):
    """The node's pod range is used up."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A pod's addresses (primary family first), its device on the node, and the namespace it was wired into."""

    pod_uid: str
    ips: tuple[str, ...]
    device: str
    netns: int = 0


class AddressPool:
    """The free addresses of one CIDR. Freed addresses come round as late as possible: peers may remember them."""

    def __init__(self, cidr: str, taken: Iterable[str] = ()) -> None:
        self._network = ipaddress.ip_network(cidr)
        size = min(self._network.num_addresses, 1 << 20)
        self._last = size - (1 if self._network.version == 4 and size > 2 else 0)  # an IPv4 range ends in a broadcast
        self._first = min(_RESERVED, self._last - 1)
        self._taken = {number for ip in taken if (number := self._number(ip)) is not None}
        self._next = max(self._taken, default=self._first - 1) + 1

    @property
    def size(self) -> int:
        return self._last - self._first

    def take(self) -> str:
        """A free address. Raises NoAddressLeft."""
        for _ in range(self.size):
            number = self._next if self._first <= self._next < self._last else self._first
            self._next = number + 1
            if number not in self._taken:
                self._taken.add(number)
                return str(self._network[number])
        raise NoAddressLeft(f"no free address in {self._network}: {len(self._taken)} pods have one")

    def give_back(self, ip: str) -> None:
        """Harmless for an address of another range."""
        number = self._number(ip)
        if number is not None:
            self._taken.discard(number)

    def _number(self, ip: str) -> int | None:
        address = ipaddress.ip_address(ip)
        if address.version != self._network.version or address not in self._network:
            return None
        return int(address) - int(self._network.network_address)


class Leases:
    """Leases as files, one per pod, each replaced by a rename: a killed agent finds them whole."""

    def __init__(self, directory: Path, cidrs: Sequence[str]) -> None:
        self._directory = directory
        self._leases = {lease.pod_uid: lease for lease in _read_all(directory)}
        taken = [ip for lease in self._leases.values() for ip in lease.ips]
        self._pools = [AddressPool(cidr, taken) for cidr in cidrs]

    def pods(self) -> list[str]:
        """The uids of the pods that have a lease."""
        return list(self._leases)

    def get(self, pod_uid: str) -> Lease | None:
        return self._leases.get(pod_uid)

    def allocate(self, pod_uid: str, device: str) -> Lease:
        """A lease with one address per range, not yet saved. Raises NoAddressLeft."""
        ips: list[str] = []
        try:
            for pool in self._pools:
                ips.append(pool.take())
        except NoAddressLeft:
            self._give_back(ips)
            raise
        return Lease(pod_uid, tuple(ips), device)

    def save(self, lease: Lease) -> None:
        """Raises OSError (the disk is full); the lease holds nevertheless while this process lives."""
        self._leases[lease.pod_uid] = lease
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / lease.pod_uid
        fresh = path.with_name(f".{path.name}")
        fresh.write_text(json.dumps(asdict(lease)))
        os.replace(fresh, path)

    def release(self, lease: Lease) -> None:
        self._leases.pop(lease.pod_uid, None)
        self._give_back(lease.ips)
        with contextlib.suppress(OSError):
            (self._directory / lease.pod_uid).unlink()

    def _give_back(self, ips: Iterable[str]) -> None:
        for ip in ips:
            for pool in self._pools:
                pool.give_back(ip)


def _read_all(directory: Path) -> list[Lease]:
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(directory.iterdir()):
            if entry.name.startswith("."):
                continue
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                data = json.loads(entry.read_text())
                found.append(Lease(data["pod_uid"], tuple(data["ips"]), data["device"], int(data["netns"])))
    return found
