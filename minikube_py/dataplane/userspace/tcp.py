"""A TCP front end: accepts, and starts a relay for every client."""

from __future__ import annotations

import errno
import socket

from minikube_py.dataplane.model import Endpoint, Route
from minikube_py.dataplane.userspace.engine import READING
from minikube_py.dataplane.userspace.frontend import Services
from minikube_py.dataplane.userspace.relay import Relay

_ACCEPTS_PER_TURN = 32
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: How long a front end that has run out of descriptors leaves its clients in the kernel's queue.
_PAUSE_SECONDS = 0.1


class TcpFrontend:
    """A listening socket with its relays."""

    def __init__(self, services: Services, sock: socket.socket, route: Route) -> None:
        self._services = services
        self._route: Route | None = route
        self._relays: set[Relay] = set()
        self._pausing = False
        self.sock = sock
        services.medium.engine.register(sock, self._on_ready, self._resume, READING)

    def update(self, route: Route) -> None:
        """See BoundFrontend."""
        self._route = route

    def close(self) -> None:
        """Clients that the kernel has accepted already are taken in first: closing would reset them."""
        while self._accept_one(though_full=True):
            pass
        self._route = None
        self._services.medium.engine.close(self.sock)

    def abort(self) -> None:
        """See BoundFrontend."""
        for relay in list(self._relays):
            relay.reset()

    def load(self) -> int:
        """See BoundFrontend."""
        return len(self._relays)

    def relays(self) -> list[Relay]:
        """The connections in progress."""
        return list(self._relays)

    def next_endpoint(self, client_ip: str, tried: frozenset[tuple[str, int]]) -> Endpoint | None:
        """See Upstreams: always by the route of this moment, so a removed endpoint is never tried."""
        return self._services.choose(self._route, client_ip, tried) if self._route is not None else None

    def open(self, endpoint: Endpoint, client: tuple[str, int]) -> socket.socket:
        """See Upstreams."""
        services, route = self._services, self._route
        assert route is not None
        try:
            return services.connector.stream(endpoint, services.source_for(route, client[0], endpoint))
        except OSError as error:
            if error.errno in _OUT_OF_DESCRIPTORS:  # for the next client neither: it waits where it is not reset
                self._pause()
            raise

    def preface(self, client: tuple[str, int]) -> bytes:
        """See Upstreams: version 1 of HAProxy's PROXY protocol, where the route asks for it."""
        if self._route is None or not self._route.proxy_protocol:
            return b""
        frontend = self._route.frontend
        family = "TCP6" if ":" in frontend.ip else "TCP4"
        return f"PROXY {family} {client[0]} {frontend.ip} {client[1]} {frontend.port}\r\n".encode()

    def finished(self, relay: Relay) -> None:
        """See Upstreams."""
        self._relays.discard(relay)

    def _on_ready(self, _events: int) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            if self._pausing or not self._accept_one():
                return
        self._services.medium.engine.again(self._resume)

    def _pause(self) -> None:
        """The edge is spent: comes back for those who wait."""
        if not self._pausing:
            self._pausing = True
            self._services.medium.engine.call_later(_PAUSE_SECONDS, self._resume_accepting)

    def _resume_accepting(self) -> None:
        self._pausing = False
        self._resume()

    def _resume(self) -> None:
        if self._route is not None:
            self._on_ready(0)

    def _accept_one(self, *, though_full: bool = False) -> bool:
        """Whether there may be another client waiting."""
        if self._services.medium.engine.full and not though_full:
            self._pause()
            return False
        try:
            client, peer = self.sock.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _OUT_OF_DESCRIPTORS:
                self._pause()
                return False
            return error.errno != errno.EBADF  # this client failed on its way; the next may not have
        client.setblocking(False)
        relay = Relay(self._services.medium, client, peer, self)
        self._relays.add(relay)
        relay.start()
        return True
