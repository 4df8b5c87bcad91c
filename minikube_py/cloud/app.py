"""The cloud provider as a part: service controller, health checks and the balancer's data path.

It runs where the outside of the cluster is (the fabric namespace), so its traffic reaches nodes from outside, and
publishes every balancer on the machine's loopback besides.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from ipaddress import ip_interface

from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.queue import WorkQueue
from minikube_py.api import resources
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.cloud.controller import NAME, ServiceController
from minikube_py.cloud.pool import AddressPool
from minikube_py.cloud.prober import PROXY_HEALTH_PORT, Prober, Target
from minikube_py.cloud.routes import LOWER_PORTS, published, routes_of
from minikube_py.cloud.views import LoadBalancer, PodSlice, TargetNode
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.model import Changes, Frontend, Route
from minikube_py.dataplane.problems import LOOK_SECONDS, REASON, ProblemTeller
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.hostnet.protocol import HostSockets
from minikube_py.linux.netlink import Netlink

_log = logging.getLogger(__name__)

_PROBE_ADDRESS = "127.0.231.254"
_VENDOR_TRIES, _VENDOR_PAUSE_SECONDS = 20, 0.1


class CloudProvider:
    """Load balancers for a cluster. ``cidrs`` are the pools; ``host_sockets`` None: nothing is published elsewhere.

    ``inside`` are the networks of pods and nodes. As clients they are masqueraded, for a node would answer them
    directly, past the balancer; all others keep their address up to the node.
    ``edge``: what the Services publish is carried from this namespace's own address too (node ports by their numbers),
    for where an engine publishes ports of this one container.
    ``data_plane`` makes the data plane from this namespace's own addresses; the default is the userspace one.
    """

    def __init__(
        self,
        *,
        client: Client,
        informers: InformerSet,
        cidrs: tuple[str, ...],
        inside: tuple[str, ...],
        host_sockets: HostSockets | None,
        clock: Clock,
        data_plane: Callable[[tuple[str, ...]], DataPlane] | None = None,
        edge: bool = False,
    ) -> None:
        self._informers = informers
        self._services = informers.of(resources.SERVICES)
        self._nodes = informers.of(resources.NODES)
        self._slices = informers.of(resources.ENDPOINTSLICES)
        self._inside = inside
        self._host_sockets = host_sockets
        self._clock = clock
        self._make_plane = data_plane or self._userspace
        self._edge = edge
        self._own: tuple[str, ...] = ()
        self._privileged = False
        self._plane: DataPlane | None = None
        self._balancers: dict[ObjectKey, tuple[LoadBalancer, tuple[str, ...]]] = {}
        self._routes: dict[Frontend, Route] = {}
        self._prober = Prober(clock=clock, on_change=self._rebalance)
        self._recorder = EventRecorder(client, NAME, clock=clock)
        self._problems = ProblemTeller(self._warn)
        self._look: Timer | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._controller = ServiceController(
            client=client,
            services=self._services,
            recorder=self._recorder,
            pool=AddressPool(cidrs),
            queue=WorkQueue(clock=clock),
            announce=self._announce,
            describe=self._describe,
        )

    async def start(self) -> None:
        """Begins to serve once Services and nodes are known."""
        await self._informers.start()
        await self._services.wait_synced()
        await self._nodes.wait_synced()
        await self._slices.wait_synced()
        self._privileged = await self._may_bind_lower_ports()
        self._own = _own_addresses()
        self._plane = self._make_plane(self._own)
        self._plane.start()
        self._prober.start()
        self._unsubscribe = self._subscribe()
        await self._controller.start()

    async def stop(self) -> None:
        """Stops the data path; Services keep their addresses for the next start."""
        self._unsubscribe()
        if self._look is not None:
            self._look.cancel()
        await self._controller.stop()
        await self._prober.stop()
        if self._plane is not None:
            await self._plane.stop()
        await self._recorder.close()

    def problems(self) -> dict[str, str]:
        """Front ends that should be served and are not, with the reason."""
        return {str(frontend): text for frontend, text in (self._plane.problems() if self._plane else {}).items()}

    def _userspace(self, addresses: tuple[str, ...]) -> DataPlane:
        return UserspaceDataPlane(
            clients=Clients(pod_cidrs=(), node_addresses=("127.0.0.0/8", "::1/128", *addresses, *self._inside)),
            host_sockets=self._host_sockets,
            clock=self._clock,
            keep_sources=self._host_sockets is not None,  # in the machine's own network nothing is rearranged
            node_ips=_first_of_each_family(addresses),
        )

    def _announce(self, key: ObjectKey, served: tuple[LoadBalancer, tuple[str, ...]] | None) -> None:
        before = self._balancers.get(key)
        if served is None:
            self._balancers.pop(key, None)
        else:
            self._balancers[key] = served
        if before != served:
            self._rebalance()

    def _subscribe(self) -> Callable[[], None]:
        subscriptions = [self._nodes.subscribe(self._node_changed), self._slices.subscribe(self._slice_changed)]
        if self._edge:
            subscriptions.append(self._services.subscribe(self._service_changed))

        def unsubscribe() -> None:
            for each in subscriptions:
                each()

        return unsubscribe

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        before, after = (LoadBalancer.at_the_edge(each) if each else None for each in (old, new))
        if before != after:
            self._rebalance()

    def _served(self) -> list[tuple[LoadBalancer, tuple[str, ...]]]:
        """What is carried, and at which addresses; where two want one, the balancers' own come first."""
        served = [*self._balancers.values()]
        if self._edge:
            views = (LoadBalancer.at_the_edge(service) for service in self._services.list())
            edge = _first_of_each_family(self._own)
            served += [(view, edge) for view in views if view is not None]
        return served

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Heartbeats change nothing that matters here."""
        before, after = (TargetNode.from_object(each) if each else None for each in (old, new))
        if before != after:
            self._rebalance()

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        before, after = (PodSlice.from_object(each) if each else None for each in (old, new))
        if before != after and {each.service for each in (before, after) if each} & self._past_nodes():
            self._rebalance()

    def _past_nodes(self) -> set[ObjectKey]:
        """The Services whose balancers need to know the pods."""
        return {key for key, (balancer, _) in self._balancers.items() if balancer.past_nodes}

    def _pods(self) -> dict[ObjectKey, list[PodSlice]]:
        """Where those are."""
        found: dict[ObjectKey, list[PodSlice]] = {key: [] for key in self._past_nodes()}
        for piece in map(PodSlice.from_object, self._slices.list()) if found else ():
            if piece.service in found:
                found[piece.service].append(piece)
        return found

    def _rebalance(self) -> None:
        """Brings targets and routes in line with balancers, nodes and their health."""
        nodes = [view for node in self._nodes.list() if (view := TargetNode.from_object(node)) is not None]
        pods = self._pods()
        routes: dict[Frontend, Route] = {}
        targets: set[Target] = set()
        for balancer, addresses in self._served():
            asked = {node: _target(balancer, node) for node in nodes}
            targets.update(asked.values())
            healthy = [node for node, target in asked.items() if self._prober.healthy(target)]
            slices = pods.get(balancer.key, ())
            publish = self._host_sockets is not None
            own = routes_of(balancer, addresses, healthy, slices, publish=publish, privileged=self._privileged)
            routes = own | routes
        self._prober.watch(targets)
        changes: Changes = dict.fromkeys(self._routes.keys() - routes.keys())
        changes |= {frontend: route for frontend, route in routes.items() if self._routes.get(frontend) != route}
        self._routes = routes
        if changes and self._plane is not None:
            self._plane.apply(changes)
            if self._look is None:
                self._look = self._clock.call_later(LOOK_SECONDS, self._tell_problems)

    def _tell_problems(self) -> None:
        self._look = None
        if self._plane is not None:
            self._problems.look(self._plane.problems(), self._routes)

    def _warn(self, key: ObjectKey, text: str) -> None:
        service = self._services.get(*key)
        if service is not None:
            self._recorder.event(service, "Warning", REASON, text)

    def _describe(self, balancer: LoadBalancer, addresses: tuple[str, ...]) -> str:
        if self._host_sockets is None:
            return ""
        return published(balancer, addresses, privileged=self._privileged)

    async def _may_bind_lower_ports(self) -> bool:
        """Found out by trying. The vendor of host sockets may still be on its way up: it is asked a few times."""
        if self._host_sockets is None:
            return True
        for _ in range(_VENDOR_TRIES):
            try:
                (await self._host_sockets.listen_tcp(_PROBE_ADDRESS, LOWER_PORTS - 1)).close()
                return True
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EPERM, errno.EADDRINUSE):
                    return error.errno == errno.EADDRINUSE
                _log.info("host sockets are not to be had yet: %s", error)
            await self._clock.sleep(_VENDOR_PAUSE_SECONDS)
        return False


def _target(balancer: LoadBalancer, node: TargetNode) -> Target:
    return Target(node.addresses[0], balancer.health_check_node_port or PROXY_HEALTH_PORT)


def _own_addresses() -> tuple[str, ...]:
    """This namespace's addresses, without the loopback's and link-local ones."""
    with Netlink() as netlink:
        addresses = [ip_interface(each.cidr).ip for each in netlink.addresses()]
    return tuple(dict.fromkeys(str(ip) for ip in addresses if not ip.is_loopback and not ip.is_link_local))


def _first_of_each_family(addresses: tuple[str, ...]) -> tuple[str, ...]:
    first: dict[bool, str] = {}
    for ip in addresses:
        first.setdefault(":" in ip, ip)
    return tuple(first.values())
