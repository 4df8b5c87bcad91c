"""A data plane on one node of the lab, driven through the routing table as the agent drives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from agent.proxy.table.table import RoutingTable
from agent.proxy.table.views import Node
from minikube_py.aio.clock import SystemClock
from minikube_py.api.types import Object
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.model import Changes
from minikube_py.dataplane.nftables.build import NftablesDataPlane
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients
from tests.support.netlab import GATEWAY, GATEWAY6, NODES, NODES6, SERVICES, SERVICES6, Lab, LoopThread

Make = Callable[[Clients, tuple[str, ...]], DataPlane]


def userspace(clients: Clients, node_ips: tuple[str, ...]) -> DataPlane:
    return UserspaceDataPlane(
        clients=clients, host_sockets=None, clock=SystemClock(), keep_sources=True, node_ips=node_ips
    )


def nftables(clients: Clients, node_ips: tuple[str, ...]) -> DataPlane:
    return NftablesDataPlane(
        clients=clients, node_ips=node_ips, beside=userspace(clients, node_ips), clock=SystemClock()
    )


PLANES: dict[str, Make] = {"userspace": userspace, "nftables": nftables}


class NodePlane:
    """Serves from its making to ``close``, on a loop in the node's namespace."""

    def __init__(self, lab: Lab, make: Make, *, node: str = "node-1") -> None:
        self.lab = lab
        self.node_ips = (NODES[node][0], NODES6[node][0])
        self.loop = LoopThread(lab.places[node])
        own = (*self.node_ips, "127.0.0.0/8", GATEWAY, GATEWAY6, SERVICES, SERVICES6)
        clients = Clients(
            pod_cidrs=["10.244.0.0/16", "fd00:10::/56"],
            node_addresses=own,
            local_pod_cidrs=(NODES[node][1], NODES6[node][1]),
        )
        self._table = RoutingTable(Node(node, (*self.node_ips, "127.0.0.1")))
        try:
            self.plane: DataPlane = self.loop.run(lambda: make(clients, self.node_ips))
            self.loop.run(self.plane.start)
        except BaseException:
            self.loop.close()
            raise

    def put(self, objects: Iterable[Object]) -> None:
        """Services and slices as they are now, carried out in one go."""
        self.loop.run(lambda: self.plane.apply(self._changes(objects)))

    def remove(self, obj: Object) -> None:
        """A Service is gone."""
        self.loop.run(lambda: self.plane.apply(self._table.service_changed(obj, None)))

    def run(self, job: Callable[[], Any]) -> Any:
        """On the plane's loop."""
        return self.loop.run(job)

    def close(self) -> None:
        try:
            self.loop.run(self.plane.stop)
        finally:
            self.loop.close()

    def _changes(self, objects: Iterable[Object]) -> Changes:
        changes: Changes = {}
        for obj in objects:
            change = self._table.service_changed if obj["kind"] == "Service" else self._table.slice_changed
            changes |= change(None, obj)
        return changes
