"""Which endpoint a new client gets: round robin per Service port, and the same one again under ClientIP affinity."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator

from minikube_py.dataplane.model import Backends, Endpoint, PortKey, Route

_SWEEP_SECONDS = 60.0


class Balancer:
    """The choices of one data plane. ``monotonic`` gives seconds."""

    def __init__(self, *, monotonic: Callable[[], float], rng: random.Random | None = None) -> None:
        self._monotonic = monotonic
        self._rng = rng or random.Random()
        self._turns: dict[PortKey, Iterator[int]] = {}
        self._sticky: dict[PortKey, dict[str, tuple[tuple[str, int], float]]] = {}
        self._next_sweep = 0.0

    def choose(
        self, route: Route, backends: Backends, client_ip: str, tried: Collection[tuple[str, int]] = ()
    ) -> Endpoint | None:
        """An endpoint that was not tried, or None. A client of a sticky Service keeps the one it has."""
        endpoints = backends.endpoints
        if tried:
            endpoints = tuple(each for each in endpoints if each.address not in tried)
        if not endpoints:
            return None
        if not route.affinity_seconds:
            return endpoints[self._turn(route.port) % len(endpoints)]
        return self._stick(route, endpoints, client_ip)

    def forget(self, port: PortKey) -> None:
        """The Service port is gone."""
        self._turns.pop(port, None)
        self._sticky.pop(port, None)

    @property
    def sticky_clients(self) -> int:
        """How many clients are remembered."""
        return sum(len(clients) for clients in self._sticky.values())

    def _turn(self, port: PortKey) -> int:
        """Starts at random, so that the proxies of several nodes do not walk in step."""
        turns = self._turns.get(port)
        if turns is None:
            turns = self._turns[port] = itertools.count(self._rng.randrange(1 << 16))
        return next(turns)

    def _stick(self, route: Route, endpoints: tuple[Endpoint, ...], client_ip: str) -> Endpoint:
        """Every new connection starts the timeout again, as kube-proxy's do."""
        now = self._monotonic()
        self._sweep(now)
        clients = self._sticky.setdefault(route.port, {})
        address, expires = clients.get(client_ip, (None, 0.0))
        chosen = None
        if expires > now:
            chosen = next((each for each in endpoints if each.address == address), None)
        if chosen is None:
            chosen = endpoints[self._turn(route.port) % len(endpoints)]
        clients[client_ip] = chosen.address, now + route.affinity_seconds
        return chosen

    def _sweep(self, now: float) -> None:
        """Drops clients that have not been seen for their time, once in a while."""
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        for clients in self._sticky.values():
            for ip in [ip for ip, (_, expires) in clients.items() if expires <= now]:
                del clients[ip]
