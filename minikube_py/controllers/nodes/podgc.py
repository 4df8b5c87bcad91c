"""Pods that no agent will ever finish: those of nodes that are gone, and those deleted before they had a node.

Semantics: kubernetes/kubernetes pkg/controller/podgc.
"""

from __future__ import annotations

from minikube_py.api.errors import NotFound
from minikube_py.api.meta import format_time, is_deleting, key_of, metadata, name_of
from minikube_py.api.resources import NODES, PODS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.conditions import with_condition
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.podstate import has_ended, node_of

#: A node may be gone only for a moment (deleted by hand, registered again by its agent).
QUARANTINE_SECONDS = 40.0
#: Ended pods that are kept for their logs and status.
KEEP_ENDED = 12_500
_OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class PodGCController(Controller):
    """One key per pod that may be a leftover."""

    name = "pod-garbage-collector"
    account = "pod-garbage-collector"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(NODES)
        self._pods = self.writes.follow(PODS)
        ownership.index_by_node(self._pods)
        self._missing: dict[str, float] = {}
        self._pods.subscribe(self._on_pod)
        self._nodes.subscribe(self._on_node)

    async def reconcile(self, key: ObjectKey) -> None:
        pod = self._pods.get(*key)
        if pod is None:
            return
        node = node_of(pod)
        if not node:
            if is_deleting(pod):
                await self.writes.delete(PODS, pod, grace_seconds=0)
            return
        found = self._nodes.get("", node)
        if found is not None:
            if is_deleting(pod) and _out_of_service(found):
                await self._remove(pod, "node is out of service")
            return
        await self._remove_orphan(key, pod, node)

    async def start(self) -> None:
        for pod in self._pods.list():
            self._on_pod(None, pod)
        await super().start()

    async def _remove_orphan(self, key: ObjectKey, pod: Object, node: str) -> None:
        since = self._missing.setdefault(node, self.clock.monotonic())
        wait = since + QUARANTINE_SECONDS - self.clock.monotonic()
        if wait > 0:
            self.queue.add_after(key, wait)
            return
        try:
            await self.context.client.get(NODES, node)
        except NotFound:
            await self._remove(pod, "node no longer exists")

    async def _remove(self, pod: Object, why: str) -> None:
        """Mark the pod failed, so that its owner counts it, then delete it without asking anybody."""
        if not has_ended(pod):
            status = pod.get("status") or {}
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": f"PodGC: {why}",
                "lastTransitionTime": format_time(self.clock.now()),
            }
            failed = {"phase": "Failed", "conditions": with_condition(status.get("conditions"), condition)}
            meta = metadata(pod)
            known = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            pod = await self.writes.patch(PODS, pod, {"metadata": known, "status": failed}, subresource="status")
        await self.writes.delete(PODS, pod, grace_seconds=0)

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            return
        lost = bool(node_of(new)) and self._nodes.synced and self._nodes.get("", node_of(new)) is None
        if lost or (is_deleting(new) and not node_of(new)):
            self.queue.add(key_of(new))
        if has_ended(new) and (old is None or not has_ended(old)):
            self._bound_ended()

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        name = name_of(new or old or {})
        if new is None:
            self._missing[name] = self.clock.monotonic()
        else:
            self._missing.pop(name, None)
            if not _out_of_service(new):
                return
        for pod in ownership.on_node(self._pods, name):
            self.queue.add(key_of(pod))

    def _bound_ended(self) -> None:
        if len(self._pods.list()) <= KEEP_ENDED:
            return
        ended = [pod for pod in self._pods.list() if has_ended(pod) and not is_deleting(pod)]
        ended.sort(key=lambda pod: metadata(pod).get("creationTimestamp") or "")
        for pod in ended[: max(len(ended) - KEEP_ENDED, 0)]:
            self._tasks.spawn(self._forget(pod), name=f"forget {key_of(pod)}")

    async def _forget(self, pod: Object) -> None:
        await self.writes.delete(PODS, pod, grace_seconds=0)


def _out_of_service(node: Object) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    return any(taint.get("key") == _OUT_OF_SERVICE for taint in taints)
