"""What the pods of a new cluster are made of: one runtime for all nodes, or another for some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minikube_py.cluster.engine import NoEngine, check_engine
from minikube_py.config.cluster import ClusterConfig, NodeRuntime

_INSTEAD = "use `--runtime process`, which needs no engine"


@dataclass(frozen=True, slots=True)
class Runtimes:
    """``of`` tells a node's runtime; ``reason`` why "auto" chose as it did ("": nothing was left to choose)."""

    usual: NodeRuntime
    exceptions: Mapping[str, NodeRuntime] = field(default_factory=dict)
    reason: str = ""

    def of(self, node: str) -> NodeRuntime:
        return self.exceptions.get(node, self.usual)


def choose_runtimes(config: ClusterConfig) -> Runtimes:
    """Asks the engine only where Docker is wanted. Raises NoEngine where it is demanded and cannot be had."""
    if config.runtime == "docker" or "docker" in config.node_runtimes.values():
        try:
            check_engine()
        except NoEngine as fault:
            raise NoEngine(f"{fault}: {_INSTEAD}") from fault
    usual, reason = (config.runtime, "") if config.runtime != "auto" else _automatic()
    return Runtimes(usual, config.node_runtimes, reason)


def _automatic() -> tuple[NodeRuntime, str]:
    try:
        engine = check_engine()
    except NoEngine as fault:
        return "process", f"pods are processes: {fault}"
    return "docker", f"pods are Docker containers: engine {engine.version} answers at {engine.socket}"
