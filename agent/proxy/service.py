"""The Service proxy of a node: watch events in, routing table, data plane out.

Every event changes the pure table at once; what it changed is gathered until the loop's next step and then carried
out in one go, so that a burst of events (a rolling update, a relist) costs one application and a single event costs
no delay. Nothing is carried out before Services and slices are both known, for then half a table would refuse clients.

The cluster's DNS address is left to the node's own DNS server, which binds it itself.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import Any

from agent.proxy.faults import ProxyFaults
from agent.proxy.health import HEALTHZ_PORT, STATUS_PORT, HealthServers, ProxyHealth
from agent.proxy.table.render import render_route
from agent.proxy.table.table import RoutingTable
from agent.proxy.table.views import SERVICE_NAME_LABEL, Node
from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.api import resources
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.config.parts import Network
from minikube_py.dataplane.model import Changes
from minikube_py.dataplane.modes import choose_planes
from minikube_py.dataplane.problems import LOOK_SECONDS, REASON, ProblemTeller
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.hostnet.protocol import HostSockets

_log = logging.getLogger(__name__)

_HEALTH_PORT_RETRY_SECONDS = 5.0
#: Where every pod's default route points: the node's own address on their veths.
_POD_GATEWAYS = ("169.254.1.1/32", "fe80::/10")
_LOOPBACKS = ("127.0.0.0/8", "::1/128")


class ServiceProxy:
    """Serves every Service on this node.

    ``pod_cidrs`` are this node's own. ``host_sockets`` None: there is no host network apart from the node's.
    ``keep_sources`` False leaves the namespace's netfilter and routing rules alone and masquerades every client.
    """

    def __init__(
        self,
        *,
        informers: InformerSet,
        node_name: str,
        node_ips: tuple[str, ...],
        pod_cidrs: tuple[str, ...],
        network: Network,
        host_sockets: HostSockets | None,
        clock: Clock,
        recorder: EventRecorder | None = None,
        mode: str = "userspace",
        healthz_port: int = HEALTHZ_PORT,
        status_port: int = STATUS_PORT,
        keep_sources: bool = True,
    ) -> None:
        loopback = tuple("::1" if ":" in ip else "127.0.0.1" for ip in node_ips)
        addresses = tuple(dict.fromkeys(node_ips + loopback))
        self._table = RoutingTable(Node(node_name, addresses, host_addresses=loopback if host_sockets else ()))
        own = (*node_ips, *_LOOPBACKS, *_POD_GATEWAYS, *network.service_cidrs)
        clients = Clients(pod_cidrs=network.pod_cidrs, node_addresses=own, local_pod_cidrs=pod_cidrs)
        self._plane, self._second_choice = choose_planes(
            mode,
            clients=clients,
            host_sockets=host_sockets,
            clock=clock,
            keep_sources=keep_sources,
            node_ips=node_ips,
        )
        self._own_addresses = frozenset(network.dns_ips)
        self._clock = clock
        self.faults = ProxyFaults(clock, thawed=self._schedule)
        self._health = ProxyHealth(clock)
        self._servers = HealthServers(
            self._health,
            addresses=addresses,
            mode=lambda: self._plane.name,
            healthz_port=healthz_port,
            status_port=status_port,
        )
        self._recorder = recorder
        self._problems = ProblemTeller(self._warn)
        self._tasks = TaskSet("service proxy")
        self._services = informers.of(resources.SERVICES)
        self._slices = informers.of(resources.ENDPOINTSLICES, label_selector=SERVICE_NAME_LABEL)
        self._nodes = informers.of(resources.NODES, field_selector=f"metadata.name={node_name}")
        self._unsubscribe: list[Any] = []
        self._pending: Changes = {}
        self._flushing: asyncio.Handle | None = None
        self._synced = False
        self._changed = asyncio.Event()
        self._applied = asyncio.Event()

    async def start(self) -> None:
        """Begins to serve; the first application of the table follows when the informers have synced.

        Raises OSError where the mode that was asked for does not work here.
        """
        _raise_descriptor_limit()
        self._start_plane()
        await self._servers.start()
        self._unsubscribe = [
            self._services.subscribe(self._on_service),
            self._slices.subscribe(self._on_slice),
            self._nodes.subscribe(self._on_node),
        ]
        self._tasks.spawn(self._wait_synced(), name="first sync")
        self._tasks.spawn(self._keep_health_ports(), name="health ports")
        self._tasks.spawn(self._tell_problems(), name="problems")

    async def stop(self) -> None:
        """Stops serving: every connection ends, every address is released."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self.faults.stop()
        if self._flushing is not None:
            self._flushing.cancel()
        await self._tasks.close()
        await self._servers.stop()
        await self._plane.stop()
        if self._recorder is not None:
            await self._recorder.close()

    @property
    def synced(self) -> bool:
        """Whether the whole table has been carried out at least once."""
        return self._synced and self._flushing is None

    @property
    def mode(self) -> str:
        """The data plane that is at work."""
        return self._plane.name

    def table(self) -> dict[str, Any]:
        """The routing table as JSON: every route with its endpoints, and the reason for each that gets nothing."""
        load = self._plane.load()
        problems = self._plane.problems()
        routes = []
        for frontend, route in sorted(self._table.routes.items()):
            shown = render_route(route) | {"connections": load.get(frontend, 0)}
            if frontend.ip in self._own_addresses:
                shown["servedBy"] = "the node's own DNS server"
            elif frontend in problems:
                shown["problem"] = problems[frontend]
            routes.append(shown)
        return {
            "node": self._table.node.name,
            "zone": self._table.node.zone,
            "mode": self._plane.name,
            "synced": self.synced,
            "faults": self.faults.active(),
            "routes": routes,
            "shadowed": [render_route(route) for route in self._table.shadowed()],
            "healthCheckPorts": {
                str(port): {"service": str(key), "localEndpoints": count}
                for port, (key, count) in self._table.health_checks().items()
            },
            "healthProblems": {str(port): text for port, text in self._servers.problems.items()},
        }

    def _start_plane(self) -> None:
        try:
            self._plane.start()
        except OSError as error:
            if self._second_choice is None:
                raise
            _log.info("nftables is not to be had (%s): proxying in userspace", error)
            self._plane = self._second_choice
            self._plane.start()

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        self.faults.deliver(lambda: self._take(self._table.service_changed(old, new)), of_slice=False)

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        self.faults.deliver(lambda: self._take(self._table.slice_changed(old, new)), of_slice=True)

    def _on_node(self, _old: Object | None, new: Object | None) -> None:
        self._health.node_changed(new)
        if new is not None:
            self._take(self._table.node_changed(new))

    def _take(self, changes: Changes) -> None:
        self._changed.set()
        if not changes:
            return
        self._pending |= changes
        self._health.queued()
        self._schedule()

    def _schedule(self) -> None:
        if self._synced and self._pending and self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        if self.faults.frozen:
            return
        pending, self._pending = self._pending, {}
        changes = {at: route for at, route in pending.items() if at.ip not in self._own_addresses}
        try:
            self._plane.apply(changes)
        except Exception:
            _log.exception("the data plane failed to take %d changes", len(changes))
            return
        self._health.updated()
        self._applied.set()

    async def _wait_synced(self) -> None:
        await self._services.wait_synced()
        await self._slices.wait_synced()
        self._synced = True
        self._flush()

    async def _keep_health_ports(self) -> None:
        retry: Timer = self._clock.call_later(0.0, lambda: None)
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._servers.sync(self._table.health_checks())
            if self._servers.problems:
                retry.cancel()
                retry = self._clock.call_later(_HEALTH_PORT_RETRY_SECONDS, self._changed.set)

    async def _tell_problems(self) -> None:
        while True:
            await self._applied.wait()
            self._applied.clear()
            await self._clock.sleep(LOOK_SECONDS)
            self._problems.look(self._plane.problems(), self._table.routes)

    def _warn(self, key: ObjectKey, text: str) -> None:
        service = self._services.get(*key)
        if service is not None and self._recorder is not None:
            self._recorder.event(service, "Warning", REASON, text)


def _raise_descriptor_limit() -> None:
    """Every connection costs two descriptors; the soft limit is meant for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
