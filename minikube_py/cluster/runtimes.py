"""What the pods of a new cluster are made of: one runtime for all nodes, or another for some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minikube_py.cluster.engine import check_engine
from minikube_py.cluster.engineapi import NoEngine
from minikube_py.config.cluster import ClusterConfig, NodeRuntime

_INSTEAD = "use `--runtime process`, which needs no engine"


@dataclass(frozen=True, slots=True)
class Runtimes:
    """``of`` tells a node's runtime; ``reason`` why it was chosen so ("": nothing was left to choose); ``composed``
    that the cluster's own parts have to be containers too."""

    usual: NodeRuntime
    exceptions: Mapping[str, NodeRuntime] = field(default_factory=dict)
    reason: str = ""
    composed: bool = False

    def of(self, node: str) -> NodeRuntime:
        return self.exceptions.get(node, self.usual)


def choose_runtimes(config: ClusterConfig) -> Runtimes:
    """Asks the engine only where Docker is wanted. Raises NoEngine where it is demanded and cannot be had."""
    if config.runtime == "auto":
        usual, reason = _automatic()
        return Runtimes(usual, config.node_runtimes, reason)
    if config.runtime != "docker" and "docker" not in config.node_runtimes.values():
        return Runtimes(config.runtime, config.node_runtimes)
    try:
        engine = check_engine()
    except NoEngine as fault:
        raise NoEngine(f"{fault}: {_INSTEAD}") from fault
    if not engine.hindrance:
        return Runtimes(config.runtime, config.node_runtimes)
    if config.runtime != "docker" or set(config.node_runtimes.values()) - {"docker"}:
        raise NoEngine(f"{engine.hindrance}: {_INSTEAD}")
    return Runtimes("docker", reason=f"the cluster's parts are containers: {engine.hindrance}", composed=True)


def _automatic() -> tuple[NodeRuntime, str]:
    try:
        engine = check_engine()
    except NoEngine as fault:
        return "process", f"pods are processes: {fault}"
    if engine.hindrance:
        return "process", f"pods are processes: {engine.hindrance}"
    return "docker", f"pods are Docker containers: engine {engine.version} answers at {engine.socket}"
