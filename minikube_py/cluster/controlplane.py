"""The control plane's process: scheduler, controllers and cloud provider in one event loop.

They are separate parts that know each other only through the API; one process because they idle most of the time and
share one copy of the watched objects.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

import uvloop

from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.client.accounts import AccountClients
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.cloud.app import CloudProvider
from minikube_py.cluster.health import HealthPort
from minikube_py.config.parts import ControlPlaneConfig
from minikube_py.controllers.app import ControllerManager
from minikube_py.hostnet.vended import VendedSockets
from minikube_py.scheduler.app import NAME as SCHEDULER
from minikube_py.scheduler.app import Scheduler

_log = logging.getLogger(__name__)


class Part(Protocol):
    """What the process starts and stops."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class ControlPlane:
    """All parts of the control plane over shared informers. Writes go out under each part's own identity."""

    def __init__(self, config: ControlPlaneConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Connect, fill the caches, begin to work. What was started is stopped again should a later step fail."""
        async with AsyncExitStack() as stack:
            config, clock = self._config, self._clock
            client = await stack.enter_async_context(
                Client.from_access(config.api, user_agent="kube-controller-manager")
            )
            binder = await stack.enter_async_context(
                Client.from_access(config.scheduler_api or config.api, user_agent="kube-scheduler")
            )
            tasks = TaskSet("controlplane")
            stack.push_async_callback(tasks.close)
            informers = InformerSet(client, tasks, clock)
            recorder = EventRecorder(binder, SCHEDULER, clock=clock)
            stack.push_async_callback(recorder.close)
            accounts = AccountClients(client, config.api, clock=clock)
            makers: dict[str, Callable[[], Part]] = {
                "scheduler": lambda: Scheduler(client=binder, informers=informers, recorder=recorder, clock=clock),
                "controllers": lambda: ControllerManager(
                    client_of=accounts.of,
                    informers=informers,
                    clock=clock,
                    ca_bundle=config.service_account_ca.read_text(),
                    node_grace_seconds=config.node_monitor_grace_seconds,
                    network=config.network,
                    signing=config.cluster_signing,
                ),
                "cloud": lambda: CloudProvider(
                    client=accounts.of("service-controller"),
                    informers=informers,
                    cidrs=config.network.load_balancer_cidrs,
                    inside=config.network.pod_cidrs,
                    host_sockets=self._host_sockets(stack),
                    clock=clock,
                    edge=config.edge,
                ),
            }
            for part in [makers[name]() for name in config.parts]:
                await self._start(part, stack)
            if config.health_port is not None:
                await self._start(HealthPort(config.health_port), stack)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop the parts in reverse order, then the watches, then the connections."""
        await self._stack.aclose()

    def _host_sockets(self, stack: AsyncExitStack) -> VendedSockets | None:
        if self._config.host_sockets is None:
            return None
        sockets = VendedSockets(self._config.host_sockets)
        stack.callback(sockets.close)
        return sockets

    @staticmethod
    async def _start(part: Part, stack: AsyncExitStack) -> None:
        stack.push_async_callback(part.stop)
        await part.start()


async def serve(config: ControlPlaneConfig) -> None:
    """Run until SIGTERM or SIGINT, which also end a start that still waits for the API server."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    plane, tasks = ControlPlane(config), TaskSet("control plane process")
    starting = tasks.spawn(plane.start(), name="start")
    stopping = tasks.spawn(stop.wait(), name="signal")
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if starting.done():
            starting.result()
            _log.info("control plane is up")
            await stopping
    finally:
        await tasks.close()
        await plane.stop()


def main(config: ControlPlaneConfig) -> int:
    """The process' entry: 0 after an orderly stop."""
    uvloop.run(serve(config))
    return 0
