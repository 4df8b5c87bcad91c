"""Whom a command asks about a running cluster: its supervisor, or the engine where its parts are containers."""

from __future__ import annotations

from typing import Protocol

from minikube_py.cluster import kubeconfig
from minikube_py.cluster.control import Answer, ClusterNotRunning, ask
from minikube_py.cluster.paths import ClusterPaths


class Commands(Protocol):
    """Both raise ClusterNotRunning; ``order`` raises ControlRefused too."""

    def status(self) -> Answer:
        """How the cluster and its parts are."""
        ...

    def order(self, command: str, node: str) -> None:
        """``command``: stop-node, start-node, unplug-node or plug-node."""
        ...


class Supervised:
    """A cluster of `minik up`'s own processes."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._socket = paths.control_socket

    def status(self) -> Answer:
        return ask(self._socket, "status")

    def order(self, command: str, node: str) -> None:
        ask(self._socket, command, node=node)


def commands_of(paths: ClusterPaths) -> Commands:
    """Those of the cluster at ``paths``. Raises ClusterNotRunning where a composition is only half-way there."""
    if not paths.composed_file.exists():
        return Supervised(paths)
    from minikube_py.cluster.composed.commands import Composed  # few need it
    from minikube_py.cluster.composed.settings import saved_settings

    settings = saved_settings(paths)
    if settings is None or not paths.kubeconfig.exists():
        raise ClusterNotRunning("its containers are on their way up, or down")
    return Composed(settings, kubeconfig.server_of(paths.kubeconfig))
