"""What one composition is told by its environment: a project, a network and ports that nobody else has.

The settings lie in the cluster's directory, in a file that is there from the first step of `minik up` to the last
of `minik down`, and tells the commands that this cluster has no supervisor.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from minikube_py.cluster.containers import MOST_NODES
from minikube_py.cluster.engine import EngineFacts
from minikube_py.cluster.engineapi import EngineAPI, NoEngine
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.config.cluster import ClusterConfig

#: The image keeps all state below here (its MINIK_HOME is a directory of it).
_STATE: Final = Path("/var/lib/minik")
_USUAL_SOCKET: Final = Path("/var/run/docker.sock")
_NETWORKS: Final = tuple(f"192.168.{number}" for number in range(232, 252))
_FIRST_NODE_PORT: Final = 30000
_LAST_NODE_PORT: Final = 32767
#: A published port costs the engine a process: a few are published, all are at the nodes' own addresses.
_PUBLISHED: Final = 16
_HTTP: Final = 8080
_HTTPS: Final = 8443


@dataclass(frozen=True, slots=True)
class Settings:
    """A composition. ``socket`` is the engine's as this user reaches it, ``network`` the nodes' without the last
    byte, ``node_ports`` the first of those published."""

    name: str
    project: str
    nodes: int
    image: str
    socket: str
    agents_socket: str
    network: str
    api_port: int
    node_ports: int
    http_port: int
    https_port: int
    proxy_mode: str
    node_grace: float

    @property
    def node_port_range(self) -> str:
        return f"{self.node_ports}-{min(self.node_ports + _PUBLISHED - 1, _LAST_NODE_PORT)}"

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{number + 1}" for number in range(self.nodes))

    @property
    def inside(self) -> ClusterPaths:
        """The cluster's files as its containers see them."""
        return ClusterPaths(_STATE / self.project / "clusters" / self.name)

    def environment(self) -> dict[str, str]:
        """The variables of compose.yaml."""
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_SOCKET": self.agents_socket,
            "COMPOSE_PROJECT_NAME": self.project,
            "MINIK_CLUSTER": self.name,
            "MINIK_IMAGE": self.image,
            "MINIK_NETWORK": self.network,
            "MINIK_API_PORT": str(self.api_port),
            "MINIK_NODE_PORTS": self.node_port_range,
            "MINIK_HTTP_PORT": str(self.http_port),
            "MINIK_HTTPS_PORT": str(self.https_port),
            "MINIK_PROXY_MODE": self.proxy_mode,
            "MINIK_NODE_GRACE": str(self.node_grace),
        }

    def save(self, paths: ClusterPaths) -> None:
        """Raises OSError."""
        paths.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths.composed_file.write_text(json.dumps(asdict(self), indent=1))


def saved_settings(paths: ClusterPaths) -> Settings | None:
    """Those of a cluster whose parts are containers; None for others."""
    try:
        return Settings(**json.loads(paths.composed_file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def choose_settings(config: ClusterConfig, paths: ClusterPaths, engine: EngineFacts, image: str) -> Settings:
    """What is free now. Raises NoEngine, OSError for a port that is taken."""
    return Settings(
        name=config.name,
        project=paths.label,
        nodes=config.nodes,
        image=image,
        socket=str(engine.socket),
        agents_socket=str(engine.socket if engine.same_kernel else _USUAL_SOCKET),
        network=free_network(EngineAPI(engine.socket, 10.0).get("/networks")),
        api_port=_free_port(config.api_port),
        node_ports=_free_block(),
        http_port=_free_port(_HTTP, else_any=True),
        https_port=_free_port(_HTTPS, else_any=True),
        proxy_mode=config.proxy_mode,
        node_grace=config.node_grace,
    )


def check_possible(config: ClusterConfig) -> None:
    """Raises ValueError."""
    asked = {
        f"more than {MOST_NODES} nodes": config.nodes > MOST_NODES,
        "IPv6": config.ip_family != "ipv4",
        "an audit log": config.audit_log is not None,
    }
    if wrong := [what for what, is_asked in asked.items() if is_asked]:
        raise ValueError(f"a cluster whose parts are containers cannot have {wrong[0]}")


def free_network(networks: Iterable[Mapping[str, Any]]) -> str:
    """The first of ours that no network of the engine (``/networks``) overlaps. Raises NoEngine where there is none."""
    taken = []
    for network in networks:
        for entry in (network.get("IPAM") or {}).get("Config") or ():
            with suppress(ValueError):
                taken.append(ipaddress.ip_network(entry.get("Subnet") or ""))
    for prefix in _NETWORKS:
        wanted = ipaddress.ip_network(f"{prefix}.0/24")
        if not any(wanted.version == other.version and wanted.overlaps(other) for other in taken):
            return prefix
    raise NoEngine(f"the engine's networks leave none of {_NETWORKS[0]}.0/24 to {_NETWORKS[-1]}.0/24 free")


def _free_port(wanted: int, *, else_any: bool = False) -> int:
    """The port, or any where it is 0. Raises OSError where it is taken."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as probe:
            return int(probe.getsockname()[1])
    except OSError:
        if else_any:
            return _free_port(0)
        raise


def _free_block() -> int:
    """Where a range of node ports begins that nobody on this machine has. Raises OSError."""
    for first in range(_FIRST_NODE_PORT, _LAST_NODE_PORT, _PUBLISHED):
        with suppress(OSError):
            for port in range(first, min(first + _PUBLISHED, _LAST_NODE_PORT + 1)):
                _free_port(port)
            return first
    raise OSError("all node ports of this machine are taken")
