"""What a supervisor would obey, done through the engine where the cluster's parts are containers."""

from __future__ import annotations

from minikube_py.cluster.composed.project import Composition
from minikube_py.cluster.composed.settings import Settings
from minikube_py.cluster.control import Answer, ClusterNotRunning, ControlRefused
from minikube_py.cluster.engineapi import NoEngine


class Composed:
    """The commands of a composition. ``server`` is the API server's URL on this machine."""

    def __init__(self, settings: Settings, server: str) -> None:
        self._composition = Composition(settings)
        self._server = server

    def status(self) -> Answer:
        """Raises ClusterNotRunning."""
        try:
            if self._composition.is_running():
                return self._composition.status(self._server)
        except NoEngine as fault:
            raise ClusterNotRunning(str(fault)) from fault
        raise ClusterNotRunning("the container of its API server does not run")

    def order(self, command: str, node: str) -> None:
        """Raises ClusterNotRunning, ControlRefused."""
        orders = {"stop-node": self._composition.stop_node, "start-node": self._composition.start_node}
        if command not in orders:
            raise ControlRefused("a node whose agent is a container can be stopped and started, but not cut off")
        try:
            orders[command](node)
        except NoEngine as fault:
            raise ClusterNotRunning(str(fault)) from fault
