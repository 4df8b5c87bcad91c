"""The userspace data plane with all its collaborators, as the agent runs it."""

from __future__ import annotations

import logging

from agent.proxy.table.model import Frontend
from agent.proxy.table.table import Changes
from agent.proxy.userspace import transparent
from agent.proxy.userspace.balancer import Balancer
from agent.proxy.userspace.capture import Capture
from agent.proxy.userspace.clients import Clients
from agent.proxy.userspace.connector import Connector
from agent.proxy.userspace.direction import Medium
from agent.proxy.userspace.drivers import NestedDriver
from agent.proxy.userspace.engine import Engine
from agent.proxy.userspace.frontend import Services
from agent.proxy.userspace.plane import UserspacePlane
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
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
        self._connector = Connector(transparent=False)
        services = Services(
            medium=self._medium,
            balancer=Balancer(monotonic=self._engine.monotonic),
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
        if self._connector.transparent:
            transparent.disable()
