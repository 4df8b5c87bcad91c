"""The userspace data plane with all its collaborators."""

from __future__ import annotations

import logging
from contextlib import closing

from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.dataplane.model import Changes, Frontend
from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.dataplane.nftables.plane import drop_tables
from minikube_py.dataplane.userspace import transparent
from minikube_py.dataplane.userspace.balancer import Balancer
from minikube_py.dataplane.userspace.capture import Capture
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.dataplane.userspace.connector import Connector
from minikube_py.dataplane.userspace.direction import Medium
from minikube_py.dataplane.userspace.drivers import NestedDriver
from minikube_py.dataplane.userspace.engine import Engine
from minikube_py.dataplane.userspace.frontend import Services
from minikube_py.dataplane.userspace.plane import UserspacePlane
from minikube_py.hostnet.protocol import HostSockets

_log = logging.getLogger(__name__)


class UserspaceDataPlane:
    """See DataPlane. ``keep_sources`` prepares the network namespace for transparent sockets."""

    name = "userspace"

    def __init__(
        self,
        *,
        clients: Clients,
        host_sockets: HostSockets | None,
        clock: Clock,
        keep_sources: bool,
        node_ips: tuple[str, ...],
    ) -> None:
        self._engine = Engine()
        self._medium = Medium(self._engine)
        self._tasks = TaskSet("userspace proxy")
        self._driver = NestedDriver(self._engine)
        self._keep_sources = keep_sources
        self._node_ips = node_ips
        self._took_over = False
        self._connector = Connector(transparent=False)
        services = Services(
            medium=self._medium,
            balancer=Balancer(monotonic=clock.monotonic),
            clients=clients,
            connector=self._connector,
        )
        self._capture = Capture()
        self._plane = UserspacePlane(
            services=services, host_sockets=host_sockets, tasks=self._tasks, clock=clock, capture=self._capture
        )

    def start(self) -> None:
        """See DataPlane. Where the kernel cannot keep clients' addresses, they are masqueraded."""
        self._driver.start()
        if self._keep_sources:
            self._connector.transparent = transparent.enable(self._node_ips)
            self._start_capture()

    def _start_capture(self) -> None:
        try:
            self._capture.start(self._node_ips)
        except OSError as error:
            _log.warning("external addresses are not served: %s", error)

    def apply(self, changes: Changes) -> None:
        """See DataPlane."""
        self._plane.apply(changes)
        if self._keep_sources and not self._took_over:
            self._took_over = True
            self._clear_leftovers()

    def _clear_leftovers(self) -> None:
        """The last agent of this node may have been killed, and have been an nftables one: its table served so far."""
        try:
            with closing(Netfilter()) as netfilter:
                drop_tables(netfilter)
        except OSError as error:
            _log.info("no nftables to look for an earlier plane's table: %s", error)

    def problems(self) -> dict[Frontend, str]:
        """See DataPlane."""
        return self._plane.problems()

    def load(self) -> dict[Frontend, int]:
        """See DataPlane."""
        return self._plane.load()

    async def stop(self) -> None:
        """See DataPlane."""
        await self._tasks.close()
        self._plane.stop()
        self._capture.stop()
        self._driver.stop()
        self._medium.pipes.close()
        self._engine.shut_down()
        if self._keep_sources:
            transparent.disable(self._node_ips)
