"""The cluster that is put under stress: its parts by name, its API, its files, seen from the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minikube_py.api.types import Object
from minikube_py.client.kubeconfig import load_kubeconfig
from minikube_py.client.rest import Client
from minikube_py.cluster.control import ask

NAMESPACE = "chaos"


@dataclass(frozen=True)
class Target:
    """A running cluster. ``root`` is its directory, as ``minik up`` made it."""

    root: Path
    nodes: tuple[str, ...]

    @classmethod
    def at(cls, root: Path) -> Target:
        names = sorted(part["name"] for part in ask(root / "run" / "control", "status")["parts"])
        return cls(root, tuple(name.removeprefix("agent-") for name in names if name.startswith("agent-")))

    def client(self) -> Client:
        """As the cluster's administrator."""
        return Client.from_access(load_kubeconfig([self.root / "kubeconfig"]).access, user_agent="chaos")

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """One command to the supervisor. Raises ClusterNotRunning, ControlRefused."""
        return ask(self.root / "run" / "control", name, **arguments)

    def parts(self) -> dict[str, int]:
        """The process of every part that runs now."""
        return {part["name"]: part["pid"] for part in self.command("status")["parts"] if part["pid"]}

    def state_of(self, node: str) -> Path:
        return self.root / "nodes" / node


def running_on(node: str, pods: Sequence[Object]) -> list[str]:
    """``pod/container`` of every container that is said to run on ``node``."""
    found = []
    for pod in pods:
        if pod["spec"].get("nodeName") != node:
            continue
        status = pod.get("status") or {}
        for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
            for entry in status.get(kind) or ():
                if "running" in (entry.get("state") or {}):
                    found.append(f"{pod['metadata']['name']}/{entry['name']}")
    return sorted(found)
