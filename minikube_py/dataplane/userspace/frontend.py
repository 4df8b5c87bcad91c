"""What TCP and UDP front ends have in common: a bound socket, the route in force, and what it takes to serve it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol

from minikube_py.dataplane.model import Endpoint, Route
from minikube_py.dataplane.userspace.balancer import Balancer
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.dataplane.userspace.connector import Connector
from minikube_py.dataplane.userspace.direction import Medium


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of every front end of one data plane."""

    medium: Medium
    balancer: Balancer
    clients: Clients
    connector: Connector

    def choose(self, route: Route, client_ip: str, tried: frozenset[tuple[str, int]] = frozenset()) -> Endpoint | None:
        """The endpoint for a client of ``route``."""
        return self.balancer.choose(route, self.clients.backends(route, client_ip), client_ip, tried)

    def source_for(self, route: Route, client_ip: str, endpoint: Endpoint) -> str | None:
        """The address to connect from: the client's, or None for the node's own."""
        return client_ip if self.clients.keeps_source(route, client_ip, endpoint.ip) else None


class BoundFrontend(Protocol):
    """A front end whose socket is bound."""

    @property
    def sock(self) -> socket.socket:
        """The bound socket."""
        ...

    def update(self, route: Route) -> None:
        """From now on new clients are served by ``route``."""
        ...

    def close(self) -> None:
        """Stops taking clients. Established TCP connections go on (draining); UDP flows end."""
        ...

    def abort(self) -> None:
        """Ends every connection as well."""
        ...

    def load(self) -> int:
        """Connections or flows in progress."""
        ...
