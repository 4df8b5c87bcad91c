"""Nodes and the pods on them, kept up to date event by event, so that a decision never walks all pods.

A pod whose binding is under way counts as placed ("assumed") until the watch shows it bound or the binding fails:
the next decision must not give its room away.
"""

from __future__ import annotations

from minikube_py.api.meta import name_of
from minikube_py.api.types import Object
from minikube_py.scheduler.views import NodeInfo, PodInfo


class ClusterCache:
    """Owned by the scheduler's loop; every method is synchronous and cheap."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._placed: dict[str, str] = {}
        self._assumed: set[str] = set()

    def nodes(self) -> list[NodeInfo]:
        """Every node that exists; pods on nodes that are gone are kept aside until the node comes."""
        return [node for node in self._nodes.values() if node.obj]

    def affinity_nodes(self) -> list[NodeInfo]:
        """Nodes that hold pods with inter-pod rules."""
        return [node for node in self._nodes.values() if node.obj and node.with_affinity]

    def is_assumed(self, uid: str) -> bool:
        """Whether the pod's binding is still under way."""
        return uid in self._assumed

    def set_node(self, node: Object) -> None:
        """The node is new or has changed."""
        self._slot(name_of(node)).set_object(node)

    def remove_node(self, name: str) -> None:
        """The node is gone; its pods may still be."""
        node = self._nodes.get(name)
        if node is None:
            return
        node.obj = {}
        if not node.pods:
            del self._nodes[name]

    def place(self, pod: PodInfo, node_name: str) -> None:
        """The pod is bound to the node (as the watch shows it)."""
        self._assumed.discard(pod.uid)
        self._put(pod, node_name)

    def assume(self, pod: PodInfo, node_name: str) -> None:
        """The pod is about to be bound to the node."""
        self._assumed.add(pod.uid)
        self._put(pod, node_name)

    def forget(self, uid: str) -> None:
        """The binding failed: the room is free again. A pod seen bound meanwhile stays."""
        if uid in self._assumed:
            self.remove(uid)

    def remove(self, uid: str) -> None:
        """The pod is gone or has ended."""
        self._assumed.discard(uid)
        name = self._placed.pop(uid, None)
        node = self._nodes.get(name) if name is not None else None
        if name is None or node is None:
            return
        node.remove(uid)
        if not node.obj and not node.pods:
            del self._nodes[name]

    def _put(self, pod: PodInfo, node_name: str) -> None:
        if self._placed.get(pod.uid, node_name) != node_name:
            assumed = pod.uid in self._assumed
            self.remove(pod.uid)
            if assumed:
                self._assumed.add(pod.uid)
        self._placed[pod.uid] = node_name
        self._slot(node_name).add(pod)

    def _slot(self, name: str) -> NodeInfo:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = NodeInfo({})
        return node
