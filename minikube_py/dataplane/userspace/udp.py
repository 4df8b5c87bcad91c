"""A UDP front end: a flow per client, each with a connected socket of its own towards one endpoint.

A flow lives as long as conntrack would keep it: 30 seconds after the last datagram while unanswered, 120 once both
sides have spoken (nf_conntrack_udp_timeout, nf_conntrack_udp_timeout_stream). It ends at once when its endpoint leaves
the table, as kube-proxy clears stale conntrack entries, and when the endpoint refuses (ICMP port unreachable), so that
the client's next datagram goes to another one.

A flood of clients cannot take the descriptors of everybody else: a front end has a share of them, and beyond it a new
client takes the place of an old one, preferably of one that was never answered (as conntrack drops entries early).
"""

from __future__ import annotations

import errno
import resource
import socket
from itertools import islice

from minikube_py.dataplane.model import Endpoint, Route
from minikube_py.dataplane.userspace import unreachable
from minikube_py.dataplane.userspace.engine import READING, Timer
from minikube_py.dataplane.userspace.frontend import Services

UNREPLIED_SECONDS = 30.0
STREAM_SECONDS = 120.0
_SWEEP_SECONDS = 5.0
_DATAGRAMS_PER_TURN = 64
_LARGEST = 1 << 16
#: What one front end may have of the process' descriptors, and that where their number is unlimited.
_SHARE, _MOST_FLOWS = 4, 65_536
_LOOKED_AT = 8

Client = tuple[str, int]


def most_flows() -> int:
    """How many clients a front end serves at a time."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_FLOWS if limit == resource.RLIM_INFINITY else min(_MOST_FLOWS, max(1, limit // _SHARE))


class Flow:
    """The datagrams of one client and one endpoint."""

    __slots__ = ("_frontend", "_reply", "client", "endpoint", "last_used", "replied", "send", "sock")

    def __init__(self, frontend: UdpFrontend, client: Client, endpoint: Endpoint, sock: socket.socket) -> None:
        self._frontend = frontend
        self._reply = frontend.sock.sendto
        self.client = client
        self.endpoint = endpoint
        self.sock = sock
        self.send = sock.send
        self.last_used = 0.0
        self.replied = False

    def expired(self, now: float) -> bool:
        """Whether the flow has been silent for its time."""
        return now - self.last_used >= (STREAM_SECONDS if self.replied else UNREPLIED_SECONDS)

    def on_ready(self, _events: int) -> None:
        """Answers from the endpoint, or its refusal."""
        frontend = self._frontend
        for _ in range(_DATAGRAMS_PER_TURN):
            try:
                data = self.sock.recv(_LARGEST)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                frontend.refused(self)
                return
            except OSError:
                frontend.end(self)
                return
            self.replied = True
            self.last_used = frontend.now()
            try:
                self._reply(data, self.client)
            except OSError:
                continue  # as on any network, a datagram that cannot be sent is lost
        frontend.again(self)


class UdpFrontend:
    """A bound UDP socket with its flows."""

    def __init__(self, services: Services, sock: socket.socket, route: Route) -> None:
        self._services = services
        self._engine = services.medium.engine
        self._route: Route | None = route
        self._flows: dict[Client, Flow] = {}
        self._sweeper: Timer | None = None
        self._most = most_flows()
        self.sock = sock
        self.now = self._engine.monotonic
        self._engine.register(sock, self._on_ready, self._resume, READING)

    def update(self, route: Route) -> None:
        """See BoundFrontend."""
        self._route = route
        for flow in list(self._flows.values()):
            backends = self._services.clients.backends(route, flow.client[0])
            if all(each.address != flow.endpoint.address for each in backends.endpoints):
                self.end(flow)

    def close(self) -> None:
        """See BoundFrontend."""
        self._route = None
        self.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._engine.close(self.sock)

    def abort(self) -> None:
        """See BoundFrontend."""
        for flow in list(self._flows.values()):
            self.end(flow)

    def load(self) -> int:
        """See BoundFrontend."""
        return len(self._flows)

    def end(self, flow: Flow) -> None:
        """Forgets a flow; its client's next datagram starts another."""
        if self._flows.get(flow.client) is flow:
            del self._flows[flow.client]
            self._engine.close(flow.sock)

    def refused(self, flow: Flow) -> None:
        """The endpoint has no socket there: the client is told, and its next datagram starts another flow."""
        self.end(flow)
        if self._route is not None:
            unreachable.tell(flow.client, self._route.frontend)

    def again(self, flow: Flow) -> None:
        """A busy flow goes on in the next turn, if it is still there by then."""
        self._engine.again(lambda: flow.on_ready(0) if self._flows.get(flow.client) is flow else None)

    def _on_ready(self, _events: int) -> None:
        receive, flows, now = self.sock.recvfrom, self._flows, self.now()
        for _ in range(_DATAGRAMS_PER_TURN):
            try:
                data, client = receive(_LARGEST)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.EBADF:
                    return
                continue  # an ICMP error about an earlier answer
            flow = flows.get(client) or self._start(client)
            if flow is not None:
                flow.last_used = now
                self._forward(flow, data)
        self._engine.again(self._resume)

    def _resume(self) -> None:
        if self._route is not None:
            self._on_ready(0)

    def _forward(self, flow: Flow, data: bytes) -> None:
        try:
            flow.send(data)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            self._retry(flow, data)
        except OSError:
            self.end(flow)

    def _retry(self, flow: Flow, data: bytes) -> None:
        """The endpoint refused the datagram before this one: this one gets a new flow."""
        self.end(flow)
        fresh = self._start(flow.client, frozenset({flow.endpoint.address})) or self._start(flow.client)
        if fresh is None:
            return
        fresh.last_used = self.now()
        try:
            fresh.send(data)
        except OSError:
            self.end(fresh)

    def _start(self, client: Client, tried: frozenset[tuple[str, int]] = frozenset()) -> Flow | None:
        services, route = self._services, self._route
        if route is None:
            return None
        endpoint = services.choose(route, client[0], tried)
        if endpoint is None:
            return None
        if len(self._flows) >= self._most or self._engine.full:
            self._evict()
        sock = self._open(endpoint, services.source_for(route, client[0], endpoint))
        if sock is None:
            return None
        flow = self._flows[client] = Flow(self, client, endpoint, sock)
        self._engine.register(sock, flow.on_ready, lambda: self.end(flow), READING)
        if self._sweeper is None:
            self._sweeper = self._engine.call_later(_SWEEP_SECONDS, self._sweep)
        return flow

    def _open(self, endpoint: Endpoint, source: str | None) -> socket.socket | None:
        try:
            return self._services.connector.datagram(endpoint, source)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._evict()
            return None

    def _evict(self) -> None:
        """Makes room for the next new client. Flows are looked at in turn, the oldest first, and few at a time."""
        flows = self._flows
        for client, flow in list(islice(flows.items(), _LOOKED_AT)):
            if not flow.replied:
                self.end(flow)
                return
            flows[client] = flows.pop(client)
        for flow in list(islice(flows.values(), 1)):
            self.end(flow)

    def _sweep(self) -> None:
        now = self.now()
        for flow in [flow for flow in self._flows.values() if flow.expired(now)]:
            self.end(flow)
        self._sweeper = self._engine.call_later(_SWEEP_SECONDS, self._sweep) if self._flows else None
