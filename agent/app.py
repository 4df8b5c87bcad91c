"""The agent of one node: kubelet, Service proxy and DNS in one process, inside the node's network namespace.

Start goes from the inside out (runtime, pods, then what the world sees), stop goes back. Stopping leaves the pods
running: the next agent adopts them.
"""

from __future__ import annotations

import asyncio
import logging
import signal

import uvloop

from agent.network.pods import RoutedPodNetwork
from agent.node.facts import NodeImage, read_machine
from agent.node.registration import NodeDeps, NodeRegistration
from agent.parts import Part, make_dns, make_host_sockets, make_network, make_proxy, make_runtime
from agent.pods.manager import PodManager, PodManagerDeps
from agent.pods.services import NodeSettings
from agent.runtime.protocol import RuntimeFault
from agent.server.server import AgentServer, ServerDeps
from minikube_py import __version__
from minikube_py.aio.aheadclock import AheadClock
from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.client import clusterclock
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import AgentConfig

_log = logging.getLogger(__name__)


class Agent:
    """One node. ``start`` returns when the node does its work; the API server may come later."""

    def __init__(self, config: AgentConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock or SystemClock()
        self._lesson_clock = AheadClock(self._clock)
        self._machine = read_machine(config.state_dir)
        self._started: list[Part] = []

    async def start(self) -> None:
        """Raises RuntimeFault or OSError where the node cannot work; what was started is stopped again."""
        try:
            for part in self._build():
                await part.start()
                self._started.append(part)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in reverse order. The pods go on running."""
        while self._started:
            part = self._started.pop()
            try:
                await part.stop()
            except Exception:
                _log.exception("%s does not stop cleanly", type(part).__name__)

    def _build(self) -> list[Part]:
        config, clock = self.config, self._clock
        client = Client.from_access(config.api, user_agent=f"minik-agent/{config.node_name}", clock=clock)
        tasks = TaskSet("informers")
        informers = InformerSet(client, tasks, clock)
        self.runtime = make_runtime(config, clock, lambda: self.node.report_soon())
        self.node = NodeRegistration(
            NodeDeps(
                config=config,
                client=client,
                clock=clock,
                machine=self._machine,
                runtime_version=f"minik-{config.runtime}://{__version__}",
                images=self._images,
            )
        )
        recorder = EventRecorder(client, "kubelet", config.node_name, clock=clock)
        host_sockets = make_host_sockets(config)
        network = make_network(config)
        self.pods = PodManager(
            PodManagerDeps(
                node=self._settings(),
                client=client,
                informers=informers,
                runtime=self.runtime,
                network=network,
                recorder=recorder,
                clock=clock,
                allocatable=self.node.allocatable,
                node_object=lambda: self.node.node,
            )
        )
        self.proxy = make_proxy(config, client, informers, host_sockets, self._lesson_clock)
        clusterclock.follow(self._lesson_clock, informers)
        self.dns = make_dns(config, informers, host_sockets, clock)
        self.server = AgentServer(self._server_deps())
        inner: list[Part] = [_Base(client, tasks, recorder), self.runtime]
        wired: list[Part] = [network] if isinstance(network, RoutedPodNetwork) else []
        outer: list[Part] = [part for part in (self.proxy, self.dns) if part is not None]
        return [*inner, *wired, self.node, self.pods, *outer, self.server, _Informers(informers)]

    def _settings(self) -> NodeSettings:
        config = self.config
        return NodeSettings(
            name=config.node_name,
            ips=config.node_ips,
            dns_ips=config.network.dns_ips,
            domain=config.network.domain,
            host_resolv_conf=config.host_resolv_conf,
            state_dir=config.state_dir,
            memory_bytes=self._machine.memory_bytes,
            own_mounts=config.runtime == "process",
            host_root=config.host_root,
        )

    def _server_deps(self) -> ServerDeps:
        tables = {"proxy": self.proxy.table if self.proxy else None, "dns": self.dns.debug if self.dns else None}
        tables["clock"] = self._time
        return ServerDeps(
            config=self.config,
            clock=self._clock,
            runtime=self.runtime,
            pods=self.pods,
            on_images=self.node.report_soon,
            debug={name: table for name, table in tables.items() if table is not None},
            faults=self.proxy.faults if self.proxy else None,
        )

    def _time(self) -> dict[str, object]:
        mode = self.proxy.mode if self.proxy else "none"
        return {"aheadSeconds": self._lesson_clock.ahead, "mode": mode}

    async def _images(self) -> list[NodeImage]:
        try:
            return [NodeImage(image.names, image.size_bytes) for image in await self.runtime.images.list_images()]
        except RuntimeFault as fault:
            raise OSError(str(fault)) from fault


class _Base:
    """What everything else stands on, and is closed after everything else."""

    def __init__(self, client: Client, tasks: TaskSet, recorder: EventRecorder) -> None:
        self._client = client
        self._tasks = tasks
        self._recorder = recorder

    async def start(self) -> None:
        """Nothing to do: connections are made when they are needed."""

    async def stop(self) -> None:
        await self._recorder.close()
        await self._tasks.close()
        await self._client.close()


class _Informers:
    """Started last, when every part has subscribed: each then sees the first lists as additions."""

    def __init__(self, informers: InformerSet) -> None:
        self._informers = informers

    async def start(self) -> None:
        await self._informers.start()

    async def stop(self) -> None:
        await self._informers.stop()


async def _run(config: AgentConfig) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = Agent(config)
    try:
        await agent.start()
    except (RuntimeFault, OSError) as error:
        _log.error("node %s cannot start: %s", config.node_name, error)
        return 1
    _log.info("node %s is at work", config.node_name)
    await stop.wait()
    await agent.stop()
    return 0


def main(config: AgentConfig) -> int:
    """Run the agent of one node until SIGTERM. Returns the exit code."""
    return uvloop.run(_run(config))
