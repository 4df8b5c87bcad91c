"""What all pod workers of a node share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from agent.network.pods import PodNetwork
from agent.pods.events import Recorder
from agent.pods.hooks import HookRunner
from agent.pods.hostports import HostPorts
from agent.pods.runtime_view import RuntimeView
from agent.pods.sources import EnvironmentSource
from agent.pods.status import Outcome
from agent.pods.status_manager import StatusManager
from agent.pods.termination import ContainerStopper
from agent.pods.volumes.manager import VolumeManager
from agent.runtime.protocol import Runtime
from minikube_py.aio.clock import Clock
from minikube_py.api.types import Object
from minikube_py.client.rest import Client


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The node that the pods run on. ``host_resolv_conf`` is read anew for every pod: laptops change networks.

    ``own_mounts`` is whether containers see what the agent mounts; ``host_root`` where the agent sees the files of the
    machine that runs them.
    """

    name: str
    ips: tuple[str, ...]
    dns_ips: tuple[str, ...]
    domain: str
    host_resolv_conf: Path
    state_dir: Path
    memory_bytes: int = 0
    own_mounts: bool = False
    host_root: Path = Path("/")


@dataclass(frozen=True, slots=True)
class PodServices:
    """The collaborators of every pod worker.

    ``admit`` refuses a pod that the node cannot take, ``admit_resize`` gives the reason why a running pod cannot have
    the resources that its spec asks for now. ``room_made`` is called when a pod may have given something back.
    """

    node: NodeSettings
    runtime: Runtime
    view: RuntimeView
    network: PodNetwork
    client: Client
    recorder: Recorder
    clock: Clock
    volumes: VolumeManager
    environment: EnvironmentSource
    statuses: StatusManager
    hooks: HookRunner
    stopper: ContainerStopper
    host_ports: HostPorts
    admit: Callable[[Object], Awaitable[Outcome | None]]
    admit_resize: Callable[[Object], str | None]
    room_made: Callable[[], None]
