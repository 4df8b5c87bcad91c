"""The userspace data plane as a whole: keeps the set of bound sockets equal to the table, whatever fails on the way.

One front end that cannot be bound never stops the others: it is reported, and tried again with growing delays. A
front end without any endpoint is not bound, so the kernel refuses its clients; one that must drop is bound behind a
filter (:mod:`minikube_py.dataplane.userspace.filters`).
"""

from __future__ import annotations

import logging
import socket
from collections import Counter

from minikube_py.aio.backoff import KeyedBackoff
from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.dataplane.model import Changes, Frontend, PortKey, Route, Scope, Verdict
from minikube_py.dataplane.userspace import binding, filters
from minikube_py.dataplane.userspace.capture import Capture, is_foreign
from minikube_py.dataplane.userspace.frontend import BoundFrontend, Services
from minikube_py.dataplane.userspace.tcp import TcpFrontend
from minikube_py.dataplane.userspace.udp import UdpFrontend
from minikube_py.hostnet.protocol import HostSockets

_log = logging.getLogger(__name__)


class UserspacePlane:
    """Serves routes by relaying.

    ``host_sockets`` None means that there is no host network apart from the node's; ``capture`` None (or not started)
    that addresses which are not the node's come to it by other means.
    """

    def __init__(
        self,
        *,
        services: Services,
        host_sockets: HostSockets | None,
        tasks: TaskSet,
        clock: Clock,
        capture: Capture | None = None,
    ) -> None:
        self._services = services
        self._host_sockets = host_sockets
        self._tasks = tasks
        self._clock = clock
        self._capture = capture or Capture()
        self._wanted: dict[Frontend, Route] = {}
        self._ports: Counter[PortKey] = Counter()
        self._bound: dict[Frontend, BoundFrontend] = {}
        self._draining: list[BoundFrontend] = []
        self._problems: dict[Frontend, str] = {}
        self._retries: dict[Frontend, Timer] = {}
        self._opening: set[Frontend] = set()
        self._backoff: KeyedBackoff[Frontend] = KeyedBackoff(0.05, 5.0)

    def apply(self, changes: Changes) -> None:
        """Carries out changes of the table. Returns when new clients are served by the new routes."""
        for frontend, route in changes.items():
            self._capture_foreign(frontend, route)
            if route is not None and is_served(route):
                self._want(frontend, route)
            else:
                self._drop(frontend, route)
        for frontend, route in changes.items():  # after the drops: an address may have changed hands
            if route is not None and frontend in self._wanted:
                self._serve(frontend, route)
        self._draining = [front for front in self._draining if front.load()]

    def problems(self) -> dict[Frontend, str]:
        """Front ends that should be served and are not, with the reason."""
        return dict(self._problems)

    def load(self) -> dict[Frontend, int]:
        """Connections and flows in progress, per front end."""
        return {frontend: front.load() for frontend, front in self._bound.items()}

    def draining(self) -> int:
        """Connections in progress on front ends that are gone."""
        return sum(front.load() for front in self._draining)

    def stop(self) -> None:
        """Ends everything at once."""
        for timer in self._retries.values():
            timer.cancel()
        for front in self._bound.values():
            front.close()
        for front in (*self._bound.values(), *self._draining):
            front.abort()
        self._wanted.clear()
        self._bound.clear()
        self._draining.clear()
        self._retries.clear()

    def _want(self, frontend: Frontend, route: Route) -> None:
        old = self._wanted.get(frontend)
        self._wanted[frontend] = route
        self._ports[route.port] += 1
        if old is not None:
            self._leave(old.port)

    def _leave(self, port: PortKey) -> None:
        """Affinity belongs to a Service port, and several front ends lead to it: the last one takes it along."""
        self._ports[port] -= 1
        if not self._ports[port]:
            del self._ports[port]
            self._services.balancer.forget(port)

    def _capture_foreign(self, frontend: Frontend, route: Route | None) -> None:
        if route is None:
            self._capture.release(frontend)
        elif is_foreign(route):
            (self._capture.hold if is_served(route) else self._capture.refuse)(frontend)

    def _serve(self, frontend: Frontend, route: Route) -> None:
        front = self._bound.get(frontend)
        if front is not None:
            front.update(route)
            self._filter(front.sock, route)
        elif frontend not in self._opening and frontend not in self._retries:
            self._open(frontend)

    def _filter(self, sock: socket.socket, route: Route) -> None:
        try:
            filters.attach(sock, filters.allowed_networks(route, self._services.clients))
        except OSError as error:
            _log.warning("cannot filter clients of %s: %s", route.frontend, error)

    def _drop(self, frontend: Frontend, route: Route | None) -> None:
        """No longer serves ``frontend``: its Service is gone (``route`` None), or has no endpoint any more."""
        old = self._wanted.pop(frontend, None)
        if old is not None:
            self._leave(old.port)
        self._problems.pop(frontend, None)
        self._backoff.reset(frontend)
        timer = self._retries.pop(frontend, None)
        if timer is not None:
            timer.cancel()
        front = self._bound.pop(frontend, None)
        if front is not None:
            if route is not None:
                front.update(route)  # whoever is in the accept queue must not reach a removed endpoint
            front.close()
            self._draining.append(front)

    def _open(self, frontend: Frontend) -> None:
        route = self._wanted.get(frontend)
        if route is None:
            return
        if frontend.scope is Scope.HOST:
            self._opening.add(frontend)
            self._tasks.spawn(self._open_on_host(frontend), name=f"publish {frontend}")
            return
        try:
            networks = filters.allowed_networks(route, self._services.clients)
            sock = binding.bind(frontend, networks, foreign=is_foreign(route))
        except OSError as error:
            self._failed(frontend, error)
        else:
            self._adopt(frontend, sock)

    async def _open_on_host(self, frontend: Frontend) -> None:
        try:
            assert self._host_sockets is not None, "host front ends come only with host sockets"
            ask = self._host_sockets.bind_udp if frontend.protocol == "UDP" else self._host_sockets.listen_tcp
            sock = await ask(frontend.ip, frontend.port)
        except OSError as error:
            self._failed(frontend, error)
        else:
            binding.tune(sock)
            self._adopt(frontend, sock)
        finally:
            self._opening.discard(frontend)

    def _adopt(self, frontend: Frontend, sock: socket.socket) -> None:
        """Serves on ``sock``, unless the front end has gone while its socket was on the way."""
        route = self._wanted.get(frontend)
        if route is None:
            sock.close()
            return
        self._problems.pop(frontend, None)
        self._backoff.reset(frontend)
        make = UdpFrontend if frontend.protocol == "UDP" else TcpFrontend
        self._bound[frontend] = make(self._services, sock, route)

    def _failed(self, frontend: Frontend, error: OSError) -> None:
        if frontend not in self._wanted:
            return
        if frontend not in self._problems:
            _log.warning("cannot serve %s: %s", frontend, error)
        self._problems[frontend] = error.strerror or str(error)
        self._retries[frontend] = self._clock.call_later(self._backoff.next(frontend), lambda: self._retry(frontend))

    def _retry(self, frontend: Frontend) -> None:
        self._retries.pop(frontend, None)
        self._open(frontend)


def is_served(route: Route) -> bool:
    """Whether a socket must be bound: refusing is what the kernel does by itself."""
    return Verdict.REJECT not in (route.inside.verdict, route.outside.verdict)
