"""A relayed TCP connection: from the accepted client through connecting to the last byte in either direction.

Until the endpoint has accepted, nothing is read from the client, so that a refused endpoint can be replaced by another
without anybody noticing. After that the two directions are independent: half-closes are passed on, a reset on one side
becomes a reset on the other, and a connection lives on when its endpoint leaves the table (draining).
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Protocol

from minikube_py.dataplane.model import Endpoint
from minikube_py.dataplane.userspace.direction import Direction, Medium
from minikube_py.dataplane.userspace.engine import ENDING, READ, WRITE, Timer

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
#: An endpoint that does not answer a SYN is given up for another one after this long.
CONNECT_SECONDS = 3.0
_NONE: frozenset[tuple[str, int]] = frozenset()


class Upstreams(Protocol):
    """Where a relay gets its endpoints from, and whom it tells that it is over."""

    def next_endpoint(self, client_ip: str, tried: frozenset[tuple[str, int]]) -> Endpoint | None:
        """The endpoint for a client among those not tried yet; None when there is none (left)."""
        ...

    def open(self, endpoint: Endpoint, client: tuple[str, int]) -> socket.socket:
        """A non-blocking socket whose connect is under way. Raises OSError."""
        ...

    def preface(self, client: tuple[str, int]) -> bytes:
        """What an endpoint is told before the client's first byte; usually nothing."""
        ...

    def finished(self, relay: Relay) -> None:
        """Both sockets are closed."""
        ...


class Relay:
    """One connection. Call ``start`` once."""

    __slots__ = (
        "_client",
        "_down",
        "_early",
        "_medium",
        "_open",
        "_timer",
        "_tried",
        "_up",
        "_upstream",
        "_upstreams",
        "connected",
        "endpoint",
        "peer",
    )

    def __init__(self, medium: Medium, client: socket.socket, peer: tuple[str, int], upstreams: Upstreams) -> None:
        self._medium = medium
        self._client = client
        self._upstreams = upstreams
        self._upstream: socket.socket | None = None
        self._up: Direction | None = None
        self._down: Direction | None = None
        self._tried = _NONE
        self._timer: Timer | None = None
        self._open = True
        self._early = 0
        self.connected = False
        self.endpoint: Endpoint | None = None
        self.peer = peer

    def start(self) -> None:
        """Connects to an endpoint and serves from then on."""
        self._connect()
        if self._open:
            self._medium.engine.register(self._client, self._on_client, self.reset)

    def reset(self) -> None:
        """Ends the connection at once, with a reset on both sides."""
        if not self._open:
            return
        for sock in (self._client, self._upstream):
            if sock is not None:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                except OSError:
                    pass  # it has failed already
        self._close()

    def _connect(self) -> None:
        """Tries endpoints until one connect is under way."""
        while True:
            endpoint = self._upstreams.next_endpoint(self.peer[0], self._tried)
            if endpoint is None:
                self.reset()
                return
            if self._begin(endpoint):
                return

    def _begin(self, endpoint: Endpoint) -> bool:
        """False where another endpoint should be tried."""
        try:
            upstream = self._upstreams.open(endpoint, self.peer)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS):
                self._tried |= {endpoint.address}
                return False
            self.reset()
        else:
            self._attach(upstream, endpoint)
        return True

    def _attach(self, upstream: socket.socket, endpoint: Endpoint) -> None:
        medium = self._medium
        self.endpoint = endpoint
        self._upstream = upstream
        self._up = Direction(medium, self._client, upstream, self._resume_up)
        self._down = Direction(medium, upstream, self._client, self._resume_down)
        self._up.opposite, self._down.opposite = self._down, self._up
        medium.engine.register(upstream, self._on_upstream, self.reset)
        if self._timer is None:
            self._timer = medium.connecting.start(CONNECT_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """The endpoint is silent. Where there is no other it may go on, for as long as the kernel has patience."""
        self._timer = None
        if not self._open or self.connected:
            return
        assert self.endpoint is not None
        other = self._upstreams.next_endpoint(self.peer[0], self._tried | {self.endpoint.address})
        if other is None:
            self._timer = self._medium.connecting.start(CONNECT_SECONDS, self._give_up)
            return
        self._abandon()
        if not self._begin(other):
            self._connect()

    def _try_another(self) -> None:
        self._abandon()
        self._connect()

    def _abandon(self) -> None:
        if self.endpoint is not None:
            self._tried |= {self.endpoint.address}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._upstream is not None:
            self._medium.engine.close(self._upstream)
            self._upstream = None

    def _on_connecting(self, events: int) -> None:
        upstream = self._upstream
        assert upstream is not None
        if events & ENDING and upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._try_another()
            return
        if not events & WRITE:
            return
        preface = self._upstreams.preface(self.peer)
        if preface:
            try:
                upstream.send(preface)  # a fresh socket's buffer takes a line whole
            except OSError:
                self._try_another()
                return
        self.connected = True
        self._tried = _NONE
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._early:  # the client has spoken before: that edge is spent
            self._serve(self._up, None, self._early)
        if self._open and events & (READ | ENDING):
            self._serve(self._down, None, events)

    def _on_client(self, events: int) -> None:
        if self.connected:
            self._serve(self._up, self._down, events)
            return
        self._early |= events & (READ | ENDING)
        if events & ENDING and self._has_failed(self._client):
            self.reset()

    def _on_upstream(self, events: int) -> None:
        if self.connected:
            self._serve(self._down, self._up, events)
        else:
            self._on_connecting(events)

    def _has_failed(self, sock: socket.socket) -> bool:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def _serve(self, outgoing: Direction | None, incoming: Direction | None, events: int) -> None:
        """A socket is ready: it takes what ``incoming`` holds for it, and gives ``outgoing`` more to move."""
        try:
            if incoming is not None and incoming.blocked and events & WRITE:
                incoming.flush()
        except OSError:
            self._fail(outgoing)
            return
        try:
            if outgoing is not None and events & (READ | ENDING):
                outgoing.pump(bool(events & ENDING))
        except OSError:
            self._fail(self._up if outgoing is self._down else self._down)
            return
        if self._up is not None and self._up.done and self._down is not None and self._down.done:
            self._close()

    def _resume_up(self) -> None:
        self._resume(self._up)

    def _resume_down(self) -> None:
        self._resume(self._down)

    def _resume(self, direction: Direction | None) -> None:
        """A yielded stream goes on; its relay may have ended, or its sink may have blocked, since."""
        if self._open and direction is not None and direction.deferred:
            self._serve(direction, None, READ)

    def _fail(self, opposite: Direction | None) -> None:
        """One side was reset. What ``opposite`` has still to read was sent before that: deliver it."""
        if opposite is not None and not opposite.blocked:
            opposite.failing = True
            try:
                opposite.pump(True)
            except OSError:
                pass  # as expected
        self.reset()

    def _close(self) -> None:
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        for direction in (self._up, self._down):
            if direction is not None:
                direction.release()
        self._up = self._down = None  # breaks the cycle with the directions' resume
        engine = self._medium.engine
        engine.close(self._client)
        if self._upstream is not None:
            engine.close(self._upstream)
        self._upstreams.finished(self)
