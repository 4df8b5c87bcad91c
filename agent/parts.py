"""Builds the parts of an agent from its configuration. The only module that names every part.

Heavy and optional parts are imported where they are chosen: a simulated node needs no namespaces, a node without Docker
no SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from agent.network.pods import PodNetwork
from agent.runtime.protocol import Runtime
from minikube_py.aio.clock import Clock
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import AgentConfig
from minikube_py.hostnet.protocol import HostSockets


class Part(Protocol):
    """Something with a beginning and an end."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def make_runtime(config: AgentConfig, clock: Clock, on_health: Callable[[], None]) -> Runtime:
    """The container runtime that the configuration names. ``on_health``: it has gone away, or is back."""
    if config.runtime == "simulated":
        from agent.runtime.simulated import SimulatedRuntime

        return SimulatedRuntime(clock=clock)
    if config.runtime == "process":
        return _process_runtime(config, clock)
    from agent.runtime.docker.engine import DEFAULT_ENGINE
    from agent.runtime.docker.runtime import DockerRuntime

    return DockerRuntime(
        engine_socket=config.engine_socket or DEFAULT_ENGINE,
        state_dir=config.state_dir,
        node_name=config.node_name,
        cluster=config.cluster,
        image_access=config.image_dir / "access",
        clock=clock,
        on_health=on_health,
    )


def _process_runtime(config: AgentConfig, clock: Clock) -> Runtime:
    from agent.images.dialing import HostDialer
    from agent.images.pull import RegistryPull
    from agent.images.store import LocalImages
    from agent.runtime.process.runtime import ProcessRuntime
    from minikube_py.hostnet.sockets import DirectSockets

    if config.machine_socket is None:
        raise ValueError("the process runtime needs machine_socket")
    sockets = make_host_sockets(config) or DirectSockets()
    dialer = HostDialer(sockets=sockets, resolv_conf=config.host_resolv_conf, clock=clock)
    return ProcessRuntime(
        machine_socket=config.machine_socket,
        image_store=LocalImages(config.image_dir, pull=RegistryPull(dialer)),
        state_dir=config.state_dir,
        node_name=config.node_name,
        clock=clock,
    )


def make_network(config: AgentConfig) -> PodNetwork:
    """The pod network of this node."""
    from agent.network.node import NodeNetwork
    from agent.network.pods import RoutedPodNetwork, SimulatedPodNetwork

    if config.runtime == "simulated":
        return SimulatedPodNetwork(config.pod_cidrs)
    node = NodeNetwork(config.node_ips, config.pod_cidrs, config.network.service_cidrs)
    return RoutedPodNetwork(node=node, state_dir=config.state_dir)


def make_proxy(
    config: AgentConfig, client: Client, informers: InformerSet, host_sockets: HostSockets | None, clock: Clock
) -> Any | None:
    """The Service proxy; a simulated node has no traffic."""
    if config.runtime == "simulated":
        return None
    from agent.proxy.service import ServiceProxy
    from minikube_py.client.events import EventRecorder

    return ServiceProxy(
        informers=informers,
        node_name=config.node_name,
        node_ips=config.node_ips,
        pod_cidrs=config.pod_cidrs,
        network=config.network,
        host_sockets=host_sockets,
        clock=clock,
        recorder=EventRecorder(client, "service-proxy", config.node_name, clock=clock),
        mode=config.proxy_mode,
    )


def make_dns(config: AgentConfig, informers: InformerSet, host_sockets: HostSockets | None, clock: Clock) -> Any | None:
    """The cluster's DNS on this node."""
    if config.runtime == "simulated":
        return None
    from agent.dns.clusterdns import ClusterDNS

    return ClusterDNS(
        informers=informers,
        network=config.network,
        node_ips=config.node_ips,
        host_sockets=host_sockets,
        resolv_conf=config.host_resolv_conf,
        clock=clock,
    )


def make_host_sockets(config: AgentConfig) -> Any | None:
    """The vendor of host sockets, where the node's network is not the host's."""
    if config.host_sockets is None:
        return None
    from minikube_py.hostnet.vended import VendedSockets

    return VendedSockets(config.host_sockets)
