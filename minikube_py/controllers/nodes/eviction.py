"""Taint-based eviction: pods that do not tolerate a NoExecute taint go, those that tolerate it for a while go later.

Semantics: kubernetes/kubernetes pkg/controller/tainteviction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from minikube_py.api.errors import NotFound
from minikube_py.api.meta import format_time, is_deleting, key_of, name_of, parse_time
from minikube_py.api.resources import NODES, PODS
from minikube_py.api.tolerations import NO_EXECUTE, Taint, Toleration, tolerates
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.conditions import with_condition
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.podstate import has_ended, node_of


def eviction_time(
    taints: Iterable[Taint], tolerations: Iterable[Toleration], seen: datetime
) -> tuple[bool, datetime | None]:
    """Whether a pod has to leave a node with these taints, and when: at once is ``seen`` at the latest.

    The shortest of the matching ``tolerationSeconds`` counts, from when the taint was added (or first seen).
    """
    ours = [taint for taint in taints if taint.get("effect") == NO_EXECUTE]
    accepted = tuple(tolerations)
    limits: list[datetime] = []
    for taint in ours:
        matching = [toleration for toleration in accepted if tolerates(toleration, taint)]
        if not matching:
            return True, seen
        since = parse_time(str(taint["timeAdded"])) if taint.get("timeAdded") else seen
        seconds = [toleration.get("tolerationSeconds") for toleration in matching]
        limits += [since + timedelta(seconds=max(int(value), 0)) for value in seconds if value is not None]
    return bool(limits), min(limits, default=None)


class TaintEvictionController(Controller):
    """One key per pod that may have to leave."""

    name = "taint-eviction-controller"
    account = "node-controller"
    workers = 8

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(NODES)
        self._pods = self.writes.follow(PODS)
        ownership.index_by_node(self._pods)
        self._seen: dict[ObjectKey, datetime] = {}
        self._pods.subscribe(self._on_pod)
        self._nodes.subscribe(self._on_node)

    async def reconcile(self, key: ObjectKey) -> None:
        pod = self._pods.get(*key)
        node = self._nodes.get("", node_of(pod)) if pod is not None else None
        if pod is None or node is None or is_deleting(pod) or has_ended(pod):
            self._seen.pop(key, None)
            return
        now = self.clock.now()
        tolerations = (pod.get("spec") or {}).get("tolerations") or ()
        leaves, when = eviction_time(_taints(node), tolerations, self._seen.setdefault(key, now))
        if not leaves or when is None:
            if self._seen.pop(key, now) != now:
                self.events.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
        elif when > now:
            self.queue.add_after(key, (when - now).total_seconds())
        else:
            self._seen.pop(key, None)
            await self._evict(pod)

    async def _evict(self, pod: Object) -> None:
        self.events.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key_of(pod)}")
        status = pod.get("status") or {}
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": format_time(self.clock.now()),
        }
        conditions = with_condition(status.get("conditions"), condition)
        try:
            pod = await self.writes.update_status(PODS, pod, status | {"conditions": conditions})
        except NotFound:
            return
        await self.writes.delete(PODS, pod)

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._seen.pop(key_of(old or {}), None)
        elif old is None or node_of(old) != node_of(new) or _tolerations(old) != _tolerations(new):
            node = self._nodes.get("", node_of(new)) if node_of(new) else None
            if node is not None and _taints(node):
                self.queue.add(key_of(new))

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        if (
            new is None
            or (old is not None and _taints(old) == _taints(new))
            or not (_taints(new) or _taints(old or {}))
        ):
            return
        for pod in ownership.on_node(self._pods, name_of(new)):
            self.queue.add(key_of(pod))


def _taints(node: Object) -> list[Taint]:
    listed = (node.get("spec") or {}).get("taints") or ()
    return [taint for taint in listed if taint.get("effect") == NO_EXECUTE]


def _tolerations(pod: Object) -> object:
    return (pod.get("spec") or {}).get("tolerations")
