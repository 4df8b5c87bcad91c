"""Addresses for load balancers: one per Service and family, kept for as long as the Service is one."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from minikube_py.api.types import ObjectKey


class NoAddress(Exception):
    """Why a Service stays pending, in words for its event."""


class AddressPool:
    """Which Service has which address. Pure bookkeeping: the truth is in the Services' status."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(cidr) for cidr in cidrs]
        self._owners: dict[str, ObjectKey] = {}

    def held_by(self, key: ObjectKey) -> tuple[str, ...]:
        """The addresses of a Service."""
        return tuple(ip for ip, owner in self._owners.items() if owner == key)

    def adopt(self, key: ObjectKey, addresses: Iterable[str]) -> None:
        """A Service has had these addresses since before we started. Foreign and taken ones are left alone."""
        for ip in addresses:
            if self._network_of(ip) is not None:
                self._owners.setdefault(ip, key)

    def assign(self, key: ObjectKey, families: Iterable[str], requested: tuple[str, ...]) -> tuple[str, ...]:
        """The Service's addresses, one for each of its families that has a pool; those it has stay if they still fit.

        Raises NoAddress; then the Service keeps what it had.
        """
        held = self.held_by(key)
        chosen = []
        for family in families:
            version = 6 if family == "IPv6" else 4
            networks = [network for network in self._networks if network.version == version]
            if networks:
                chosen.append(self._pick(key, version, networks, held, requested))
        if not chosen:
            raise NoAddress(f"there is no address pool for {', '.join(families)}")
        for ip in held:
            if ip not in chosen:
                del self._owners[ip]
        for ip in chosen:
            self._owners[ip] = key
        return tuple(chosen)

    def release(self, key: ObjectKey) -> tuple[str, ...]:
        """Gives all addresses of a Service back."""
        held = self.held_by(key)
        for ip in held:
            del self._owners[ip]
        return held

    def _pick(
        self,
        key: ObjectKey,
        version: int,
        networks: list[IPv4Network | IPv6Network],
        held: tuple[str, ...],
        requested: tuple[str, ...],
    ) -> str:
        wanted = next((ip for ip in requested if ip_address(ip).version == version), None)
        if wanted is not None:
            return self._requested(key, wanted)
        for ip in held:
            if ip_address(ip).version == version:
                return ip
        for network in networks:
            for address in network.hosts():
                if str(address) not in self._owners:
                    return str(address)
        raise NoAddress(f"no address is free in {', '.join(map(str, networks))}")

    def _requested(self, key: ObjectKey, ip: str) -> str:
        if self._network_of(ip) is None:
            raise NoAddress(f"{ip} is not in {', '.join(map(str, self._networks))}")
        owner = self._owners.get(ip, key)
        if owner != key:
            raise NoAddress(f"{ip} is in use by service {owner}")
        return ip

    def _network_of(self, ip: str) -> IPv4Network | IPv6Network | None:
        address = ip_address(ip)
        return next((network for network in self._networks if address in network), None)
