"""Watches over nodes: a lease that is not renewed makes a node NotReady, and its pods unready, in time.

There is no polling: each node has one timer, set to when its present lease runs out. The age of a lease is measured
from when its renewal was *seen*, on our own clock, as upstream does, so that clocks need not agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from minikube_py.api.errors import NotFound
from minikube_py.api.meta import metadata, name_of, namespace_of
from minikube_py.api.resources import LEASES, NODES, PODS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.rest import PatchKind
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.nodes.health import (
    being_emptied,
    planned_taints,
    pod_unready_conditions,
    ready_status,
    silent_conditions,
)
from minikube_py.controllers.nodes.zones import ZonePace

_LEASES = "kube-node-lease"
#: A node that has never said anything gets this long to start.
_STARTUP_SECONDS = 60.0


class NodeLifecycleController(Controller):
    """One key per node."""

    name = "node-controller"
    account = "node-controller"

    def __init__(self, context: Context, *, grace_seconds: float) -> None:
        super().__init__(context)
        self._grace = grace_seconds
        self._pace = ZonePace()
        self._heard: dict[str, float] = {}
        self._nodes = self.writes.follow(NODES)
        self._pods = self.writes.follow(PODS)
        self._leases = context.informers.of(LEASES, namespace=_LEASES)
        ownership.index_by_node(self._pods)
        self._nodes.subscribe(self._on_node)
        self._leases.subscribe(self._on_lease)
        self._pods.subscribe(self._on_pod)

    async def reconcile(self, key: ObjectKey) -> None:
        node = self._nodes.get(*key)
        if node is None:
            self._heard.pop(key.name, None)
            return
        silence = self.clock.monotonic() - self._heard.setdefault(key.name, self.clock.monotonic())
        allowed = self._grace if ready_status(node) else max(self._grace, _STARTUP_SECONDS)
        if silence > allowed:
            node = await self._declare_silent(node)
        else:
            self.queue.add_after(key, allowed - silence + 0.01)
        await self._set_taints(key, node)
        if ready_status(node) == "Unknown" or ready_status(node) == "False":
            await self._mark_pods(key.name)

    async def _declare_silent(self, node: Object) -> Object:
        status = node.get("status") or {}
        conditions = silent_conditions(node, self.clock.now())
        if conditions == (status.get("conditions") or []):
            return node
        was_ready = ready_status(node) == "True"
        node = await self.writes.update_status(NODES, node, status | {"conditions": conditions})
        if was_ready:
            message = f"Node {name_of(node)} status is now: NodeNotReady"
            self.events.event(node, "Normal", "NodeNotReady", message)
        return node

    async def _set_taints(self, key: ObjectKey, node: Object) -> None:
        taints = planned_taints(node, self.clock.now(), evict=self._may_empty(key, node))
        if taints != ((node.get("spec") or {}).get("taints") or []):
            patch = {
                "metadata": {"resourceVersion": metadata(node)["resourceVersion"]},
                "spec": {"taints": taints or None},
            }
            await self.writes.patch(NODES, node, patch, kind=PatchKind.MERGE)

    def _may_empty(self, key: ObjectKey, node: Object) -> bool:
        """Whether pods that do not tolerate it have to leave the node; comes back for it where it has to wait."""
        if ready_status(node) == "True" or being_emptied(node):
            return True
        others = [other for other in self._nodes.list() if name_of(other) != name_of(node)]
        wait = self._pace.wait(node, [node, *others], self.clock.monotonic())
        if wait:
            self.queue.add_after(key, wait)
        return wait == 0

    async def _mark_pods(self, node: str) -> None:
        pods = ownership.on_node(self._pods, node)
        await asyncio.gather(*(self._mark(pod) for pod in pods))

    async def _mark(self, pod: Object) -> None:
        conditions = pod_unready_conditions(pod, self.clock.now())
        if conditions is None:
            return
        self.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")
        status = (pod.get("status") or {}) | {"conditions": conditions}
        try:
            await self.writes.update_status(PODS, pod, status)
        except NotFound:
            pass

    # --- signs of life ---------------------------------------------------------------------------------------------

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._add([old] if old is not None else [])
        elif old is None:
            self._hear(name_of(new))
            self._add([new])
        elif _heartbeats(old) != _heartbeats(new) and not _is_silent(new):
            self._hear(name_of(new))
            self._add_if_changed(old, new)
        else:
            self._add_if_changed(old, new)

    def _on_lease(self, old: Object | None, new: Object | None) -> None:
        if new is None or (old is not None and _renewed(old) == _renewed(new)):
            return
        self._hear(name_of(new))

    def _on_pod(self, _old: Object | None, new: Object | None) -> None:
        """A pod that turns up ready on a silent node (a late write of its agent) is marked, too."""
        name = ((new or {}).get("spec") or {}).get("nodeName")
        node = self._nodes.get("", name) if name else None
        if new is not None and node is not None and _is_silent(node) and pod_unready_conditions(new, self.clock.now()):
            self.queue.add(ObjectKey("", name_of(node)))

    def _hear(self, name: str) -> None:
        self._heard[name] = self.clock.monotonic()

    def _add_if_changed(self, old: Object, new: Object) -> None:
        if ready_status(old) != ready_status(new):  # with it, what its zone may do
            self._add(node for node in self._nodes.list() if ready_status(node) != "True")
        before, after = old.get("spec") or {}, new.get("spec") or {}
        if _statuses(old) != _statuses(new) or any(
            before.get(name) != after.get(name) for name in ("taints", "unschedulable")
        ):
            self._add([new])

    def _add(self, nodes: Iterable[Object]) -> None:
        for node in nodes:
            self.queue.add(ObjectKey(namespace_of(node), name_of(node)))


def _conditions(node: Object) -> list[Object]:
    return (node.get("status") or {}).get("conditions") or []


def _heartbeats(node: Object) -> list[object]:
    return [(entry.get("type"), entry.get("lastHeartbeatTime"), entry.get("status")) for entry in _conditions(node)]


def _statuses(node: Object) -> list[object]:
    return [(entry.get("type"), entry.get("status")) for entry in _conditions(node)]


def _is_silent(node: Object) -> bool:
    return ready_status(node) == "Unknown"


def _renewed(lease: Object) -> object:
    return (lease.get("spec") or {}).get("renewTime")
