"""The userspace data plane with all its collaborators, as the agent runs it."""

from __future__ import annotations

from agent.proxy.table.model import Frontend
from agent.proxy.table.table import Changes
from agent.proxy.userspace.balancer import Balancer
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


class UserspaceDataPlane:
    """See DataPlane."""

    def __init__(self, *, clients: Clients, host_sockets: HostSockets | None, clock: Clock) -> None:
        self._engine = Engine()
        self._medium = Medium(self._engine)
        self._tasks = TaskSet("userspace proxy")
        self._driver = NestedDriver(self._engine)
        services = Services(
            medium=self._medium,
            balancer=Balancer(monotonic=self._engine.monotonic),
            clients=clients,
            connector=Connector(transparent=False),
        )
        self._plane = UserspacePlane(services=services, host_sockets=host_sockets, tasks=self._tasks, clock=clock)

    def start(self) -> None:
        """See DataPlane."""
        self._driver.start()

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
        self._driver.stop()
        self._medium.pipes.close()
        self._engine.shut_down()
