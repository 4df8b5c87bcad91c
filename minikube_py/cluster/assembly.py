"""What a cluster is made of, in the order of its making: directories, namespaces, certificates, configurations, parts.

The supervisor says when; this module knows what. It holds the descriptors that must outlive the parts.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minikube_py.cluster import egress, kubeconfig
from minikube_py.cluster.children import Beside, Part, close_descriptors, run_in_child
from minikube_py.cluster.egress import Egress, open_way
from minikube_py.cluster.engine import LABEL, NODE_LABEL, engine_socket, remove_containers
from minikube_py.cluster.files import write_private
from minikube_py.cluster.hostlink import HostLink, connect_host, disconnect_host, route_services
from minikube_py.cluster.leftovers import remove_leftovers
from minikube_py.cluster.network import Cable, ClusterNetwork, build_network, listen_in
from minikube_py.cluster.plan import (
    FABRIC_API_PORT,
    ClusterPlan,
    NodePlan,
    agent_config,
    apiserver_config,
    controlplane_config,
    directories,
    identities,
    machine_config,
)
from minikube_py.cluster.userspace import Privileges
from minikube_py.config.cluster import NodeRuntime
from minikube_py.config.documents import document_of
from minikube_py.config.parts import ReadinessConfig, Told

_log = logging.getLogger(__name__)

#: What every part but the machines is built on.
_COMMON_MODULES = ("aiohttp.web", "uvloop")
_CLIENT_MODULES = (*_COMMON_MODULES, "minikube_py.client.rest", "minikube_py.client.informers")
#: An agent and what it chooses at its start, by its configuration.
_AGENT_MODULES = (
    "agent.app", "agent.network.node", "agent.proxy.service", "agent.dns.clusterdns", "minikube_py.hostnet.vended",
    "encodings.idna",
)  # fmt: skip
_RUNTIME_MODULES: dict[NodeRuntime, tuple[str, ...]] = {
    "process": ("agent.runtime.process.runtime", "agent.images.store"),
    "docker": ("agent.runtime.docker.runtime",),
    "simulated": ("agent.runtime.simulated",),
}


class Assembly:
    """The pieces of one cluster."""

    READINESS = "readiness"

    def __init__(self, plan: ClusterPlan, privileges: Privileges, api_listener: socket.socket) -> None:
        self.plan = plan
        self.privileges = privileges
        self._host_listener = api_listener
        self._fabric_listener: socket.socket | None = None
        self._network: ClusterNetwork | None = None
        self.egress = Egress()
        self._link: HostLink | None = None

    @property
    def network(self) -> ClusterNetwork:
        if self._network is None:
            raise RuntimeError("the network has not been built")
        return self._network

    @property
    def server_url(self) -> str:
        """The API server as the host reaches it."""
        return f"https://127.0.0.1:{self._host_listener.getsockname()[1]}"

    # -- making ---------------------------------------------------------------------------------------------

    def make_directories(self) -> None:
        for directory in directories(self.plan):
            os.makedirs(directory, mode=0o700, exist_ok=True)

    def build_network(self) -> None:
        """Namespaces, and the API server's second listener: clients that are early wait in its backlog."""
        cables = [
            Cable(node.name, f"node{index + 1}", node.ips, node.pod_cidrs) for index, node in enumerate(self.plan.nodes)
        ]
        self._network = build_network(self.plan.fabric_ips, cables)
        self._fabric_listener = listen_in(self._network.fabric, self.plan.fabric_ip, FABRIC_API_PORT)

    def connect_host(self) -> None:
        """The host's way in, and the pods' way out."""
        self._link = self._lay_cable()
        try:
            self.egress = open_way(self.network, self.plan, self._link)
        except OSError as error:
            self.egress = Egress(why=str(error))
            _log.warning("pods do not reach the outside: %s", error)

    def _lay_cable(self) -> HostLink | None:
        """As root: ClusterIPs, load balancers and pods answer from the host. A host that cannot is none the worse."""
        if self.privileges.rootless:
            return None
        self.route_services([node.name for node in self.plan.nodes])
        try:
            link = connect_host(self.network, self.plan)
        except OSError as error:
            _log.warning("the host is not connected to the cluster's network: %s", error)
            return None
        if link.hidden:
            _log.warning("the host has routes of its own into %s", ", ".join(link.hidden))
        return link

    def route_services(self, nodes: Sequence[str]) -> None:
        """The first of ``nodes`` answers for ClusterIPs that are asked from the host."""
        if nodes and not self.privileges.rootless:
            route_services(self.network, self.plan.config.network.service_cidrs, nodes[0])

    def begin_certificates(self) -> Beside:
        """Makes the certificates in a process that ends with them: few parts need the library that signs them."""
        return Beside("certificates", self._make_certificates)

    def _make_certificates(self) -> None:
        from minikube_py.cluster.certificates import Authority  # heavy: only where it is needed

        authority = Authority(self.plan.paths.pki)
        pairs = {name: authority.issue(name, identity) for name, identity in identities(self.plan).items()}
        authority.write_signing_key("sa")
        ours = kubeconfig.render(self.plan.name, self.server_url, authority.bundle, pairs["admin"])
        kubeconfig.write(self.plan.paths.kubeconfig, ours)

    def write_word(self) -> None:
        """``cluster.json``, by which commands know the cluster."""
        chosen = replace(self.plan.config, runtime=self.plan.runtimes.usual)
        write_private(self.plan.paths.cluster_file, document_of(chosen))

    # -- parts ----------------------------------------------------------------------------------------------

    def machines(self) -> list[Part]:
        """The fork servers of the nodes whose pods are processes."""
        return [self._machine(node) for node in self.plan.nodes if node.runtime == "process"]

    def parts(self) -> list[Part]:
        """The other parts, in the order in which they start: what the nodes wait for first."""
        network = self.network
        assert self._fabric_listener is not None
        listeners = (self._host_listener.fileno(), self._fabric_listener.fileno())
        told, control = apiserver_config(self.plan, listeners), controlplane_config(self.plan)
        apiserver = self._part("apiserver", "apiserver.app:main", told, network.fabric)
        return [
            replace(apiserver, keep=listeners, modules=_COMMON_MODULES),
            *(self._agent(node) for node in self.plan.nodes),
            *self._way_out(),
            self._part("controlplane", "minikube_py.cluster.controlplane:main", control, network.fabric),
        ]

    def _way_out(self) -> list[Part]:
        """The program that carries pods' packets out of the cluster, where one does."""
        if self.egress.way != egress.PROGRAM:
            return []
        fabric = self.network.fabric
        way_out = self._part("outside", "minikube_py.cluster.egress:main", egress.WayOut(fabric=fabric), None)
        return [replace(way_out, keep=(fabric,))]

    def readiness(self, progress: int) -> Part:
        """The part that watches the nodes become Ready, tells ``progress`` and ends."""
        access = controlplane_config(self.plan).api
        nodes = tuple(node.name for node in self.plan.nodes)
        told = ReadinessConfig(api=access, nodes=nodes, progress=progress)
        part = self._part(self.READINESS, "minikube_py.cluster.readiness:main", told, self.network.fabric)
        return replace(part, keep=(progress,))

    def names_of_node(self, node: str) -> tuple[str, ...]:
        """The parts that a node consists of. Raises KeyError."""
        if node not in self.network.nodes:
            raise KeyError(f"there is no node {node}")
        return (f"agent-{node}", f"machine-{node}")

    def switch_off(self, node: str) -> None:
        """Ends what a node's end does not end by itself: containers of an engine. Returns at once."""
        if self.plan.runtimes.of(node) != "docker":
            return
        labels = {LABEL: self.plan.paths.label, NODE_LABEL: node}
        pid = os.fork()
        if pid == 0:  # and once more, so that nobody has to wait for it
            run_in_child(lambda: 0 if os.fork() else _remove(labels))
        os.waitpid(pid, 0)

    def _machine(self, node: NodePlan) -> Part:
        entry, told = "agent.runtime.process.machine:main", machine_config(self.plan, node)
        part = self._part(f"machine-{node.name}", entry, told, self.network.nodes[node.name])
        return replace(part, own_pid_namespace=True, modules=("agent.runtime.process.machine",))

    def _agent(self, node: NodePlan) -> Part:
        told = agent_config(self.plan, node)
        part = self._part(f"agent-{node.name}", "agent.app:main", told, self.network.nodes[node.name])
        return replace(part, modules=(*part.modules, *_AGENT_MODULES, *_RUNTIME_MODULES[node.runtime]))

    def _part(self, name: str, entry: str, config: Told, netns: int | None) -> Part:
        return Part(name, entry, config, self._log_of(name), netns=netns, modules=_CLIENT_MODULES)

    def _log_of(self, name: str) -> Path:
        return self.plan.paths.logs / f"{name}.log"

    # -- unmaking -------------------------------------------------------------------------------------------

    def close(self, *, remove: bool) -> None:
        """Give up the descriptors and, with ``remove``, every file."""
        self._host_listener.close()
        if self._fabric_listener is not None:
            self._fabric_listener.close()
        self.egress.close()
        if self._link is not None:
            disconnect_host(self._link)
        if self._network is not None:
            self._network.close()
        if remove:
            remove_leftovers(self.plan.paths)


def _remove(labels: dict[str, str]) -> int:
    close_descriptors(except_for=())  # the cluster's lock among them: this may outlive the supervisor
    remove_containers(engine_socket(), labels)
    return 0
