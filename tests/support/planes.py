"""A userspace data plane on the loopback, for tests: its engine nested in the test's own loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.types import ObjectKey
from minikube_py.dataplane.model import Backends, Endpoint, Frontend, KeepSource, Kind, PortKey, Route, Scope, Verdict
from minikube_py.dataplane.userspace.balancer import Balancer
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.dataplane.userspace.connector import Connector
from minikube_py.dataplane.userspace.direction import Medium
from minikube_py.dataplane.userspace.drivers import NestedDriver
from minikube_py.dataplane.userspace.engine import Engine
from minikube_py.dataplane.userspace.frontend import Services
from minikube_py.dataplane.userspace.plane import UserspacePlane
from minikube_py.hostnet.sockets import DirectSockets


def route_to(frontend: Frontend, *addresses: tuple[str, int], affinity: int = 0) -> Route:
    """A ClusterIP route to ready endpoints."""
    endpoints = tuple(Endpoint(ip, port) for ip, port in addresses)
    backends = Backends(Verdict.FORWARD if endpoints else Verdict.REJECT, endpoints)
    key = PortKey(ObjectKey("default", "web"), "", frontend.protocol)
    return Route(frontend, Kind.CLUSTER_IP, key, backends, backends, KeepSource.PODS, affinity)


def node_frontend(ip: str, port: int, protocol: str = "TCP") -> Frontend:
    """A front end in the node's network."""
    return Frontend(Scope.NODE, ip, port, protocol)


@asynccontextmanager
async def running_plane(
    *, monotonic: Callable[[], float] = time.monotonic, most: int | None = None
) -> AsyncIterator[UserspacePlane]:
    """A plane that serves until the block ends, with ``most`` sockets at a time."""
    engine, clock, tasks = Engine(monotonic=monotonic, most=most), SystemClock(), TaskSet("test plane")
    medium = Medium(engine)
    services = Services(
        medium=medium,
        balancer=Balancer(monotonic=engine.monotonic, rng=random.Random(1)),
        clients=Clients(pod_cidrs=["10.244.0.0/16"], node_addresses=["127.0.0.0/8"]),
        connector=Connector(transparent=False),
    )
    plane = UserspacePlane(services=services, host_sockets=DirectSockets(), tasks=tasks, clock=clock)
    driver = NestedDriver(engine)
    driver.start()
    try:
        yield plane
    finally:
        plane.stop()
        driver.stop()
        await tasks.close()
        medium.pipes.close()
        engine.shut_down()
        await asyncio.sleep(0)
