"""The scheduler as a part: watches pods and nodes, decides one pod at a time, binds in the background.

Decisions are synchronous and see every earlier one (``ClusterCache.assume``), so two pods never get the same room; the
requests that carry them out run beside the next decision.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Conflict, NotFound, StatusError
from minikube_py.api.meta import is_deleting, labels_of, name_of, uid_of
from minikube_py.api.resources import (
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICES,
    STATEFULSETS,
    STORAGECLASSES,
    Resource,
)
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.scheduler import changes
from minikube_py.scheduler.binding import Announcer
from minikube_py.scheduler.cache import ClusterCache
from minikube_py.scheduler.claims import ClaimBinder, NotBound
from minikube_py.scheduler.cycle import Placed, decide
from minikube_py.scheduler.groups import group_selectors
from minikube_py.scheduler.queue import SchedulingQueue, Waiting
from minikube_py.scheduler.snapshot import Snapshot, Volumes
from minikube_py.scheduler.views import PodInfo
from minikube_py.scheduler.volumes import claim_names

_log = logging.getLogger(__name__)

NAME = "default-scheduler"


class Scheduler:
    """Places the pods whose ``schedulerName`` is ``name``. ``informers`` may be shared with other parts."""

    def __init__(
        self,
        *,
        client: Client,
        informers: InformerSet,
        recorder: EventRecorder,
        clock: Clock,
        choice: random.Random | None = None,
        name: str = NAME,
    ) -> None:
        self._name = name
        self._clock = clock
        self._choice = choice or random.Random()
        self._informers = informers
        self._tasks = TaskSet("scheduler")
        self._announcer = Announcer(client=client, recorder=recorder, clock=clock)
        self._cache = ClusterCache()
        self._queue = SchedulingQueue(clock.monotonic)
        self._wake = asyncio.Event()
        self._timer: Timer | None = None
        self._start_at = 0
        self._subscribe()
        pods = informers.of(PODS)
        self._claim_binder = ClaimBinder(client=client, claims=self._claims, pods=pods, clock=clock)

    async def start(self) -> None:
        """Begin to place pods once the caches are filled."""
        await self._informers.start()
        await self._informers.wait_synced()
        self._tasks.spawn(self._run(), name="loop")

    async def stop(self) -> None:
        """Stop deciding; bindings under way are abandoned (the next start sees whether they took)."""
        await self._tasks.close()
        self._set_timer(None)

    def debug(self) -> dict[str, int]:
        """Sizes, for people and tests."""
        return {"nodes": len(self._cache.nodes()), "waiting": len(self._queue)}

    # --- what happens in the cluster -------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        of = self._informers.of
        self._namespaces, self._services = of(NAMESPACES), of(SERVICES)
        self._owners = {resource.kind: of(resource) for resource in (REPLICASETS, STATEFULSETS, REPLICATIONCONTROLLERS)}
        self._claims, self._volumes = of(PERSISTENTVOLUMECLAIMS), of(PERSISTENTVOLUMES)
        self._classes = of(STORAGECLASSES)
        of(NODES).subscribe(self._on_node)
        of(PODS).subscribe(self._on_pod)
        self._namespaces.subscribe(self._on_namespace)
        for resource in (PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES):
            of(resource).subscribe(self._waker(resource))

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            if old is None or changes.node_change(old, new) or _images(old) != _images(new):
                self._cache.set_node(new)
        elif old is not None:
            self._cache.remove_node(name_of(old))
        self._changed(changes.node_change(old, new))

    def _on_namespace(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and labels_of(old) != labels_of(new):
            self._changed(changes.NAMESPACE)

    def _waker(self, _resource: Resource) -> Callable[[Object | None, Object | None], None]:
        return lambda _old, _new: self._changed(changes.VOLUMES)

    def _changed(self, plugins: frozenset[str]) -> None:
        if plugins:
            self._queue.changed(plugins)
            self._wake.set()

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and uid_of(old) != uid_of(new):
            self._pod_gone(old)
            old = None
        if new is None:
            if old is not None:
                self._pod_gone(old)
        elif changes.has_ended(new):
            self._pod_gone(new)
        elif (new.get("spec") or {}).get("nodeName"):
            self._pod_bound(old, new)
        else:
            self._pod_waits(old, new)

    def _pod_gone(self, pod: Object) -> None:
        uid = uid_of(pod)
        self._queue.remove(uid)
        self._cache.remove(uid)
        if (pod.get("spec") or {}).get("nodeName"):
            self._changed(changes.ROOM)

    def _pod_bound(self, old: Object | None, new: Object) -> None:
        was_bound = old is not None and bool((old.get("spec") or {}).get("nodeName"))
        if old is not None and was_bound and changes.same_demand(old, new):
            return
        self._queue.remove(uid_of(new))
        info = _read(new)
        if info is not None:
            self._cache.place(info, info.node_name)
            self._changed(changes.NEIGHBOURS | (changes.ROOM if was_bound else changes.NOTHING))

    def _pod_waits(self, old: Object | None, new: Object) -> None:
        spec = new.get("spec") or {}
        if spec.get("schedulerName", NAME) != self._name or spec.get("schedulingGates") or is_deleting(new):
            self._queue.remove(uid_of(new))
            return
        if self._cache.is_assumed(uid_of(new)) or (old is not None and changes.same_demand(old, new)):
            return
        info = _read(new)
        if info is not None:
            self._queue.add(info)
            self._wake.set()

    # --- decisions -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            entry = self._queue.pop()
            if entry is not None:
                self._attempt(entry)
                await asyncio.sleep(0)  # let the binding just started reach its socket, and events come in
                continue
            self._set_timer(self._queue.next_due())
            await self._wake.wait()
            self._wake.clear()

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._clock.call_later(max(seconds, 0.001), self._wake.set)

    def _attempt(self, entry: Waiting) -> None:
        pod, snapshot = entry.pod, self._snapshot()
        try:
            decision = decide(pod, snapshot, choice=self._choice, start=self._start_at)
        except (StatusError, ValueError) as error:
            self._queue.refused(entry, frozenset(), error=True)
            self._tasks.spawn(self._refuse(pod, str(error)), name=f"refuse {pod.key}")
            return
        self._start_at += 1
        if isinstance(decision, Placed):
            self._cache.assume(pod, decision.node)
            self._tasks.spawn(self._bind(entry, pod, decision.node, snapshot), name=f"bind {pod.key}")
        else:
            self._queue.refused(entry, decision.plugins)
            self._tasks.spawn(self._refuse(pod, decision.message), name=f"refuse {pod.key}")

    async def _bind(self, entry: Waiting, pod: PodInfo, node: str, snapshot: Snapshot) -> None:
        try:
            await self._claim_binder.bind(pod, node, snapshot)
            await self._announcer.bind(pod, node)
        except NotBound as error:
            self._unassume(entry, pod)
            await self._refuse(pod, f'running PreBind plugin "VolumeBinding": {error}')
        except (NotFound, Conflict) as error:
            _log.info("pod %s was not bound to %s: %s", pod.key, node, error)
            self._unassume(entry, pod)
        except (StatusError, ConnectionFailed) as error:
            _log.warning("binding pod %s to %s failed: %s", pod.key, node, error)
            self._unassume(entry, pod)
        else:
            self._queue.placed(pod.uid)

    def _unassume(self, entry: Waiting, pod: PodInfo) -> None:
        self._cache.forget(pod.uid)
        self._queue.refused(entry, frozenset(), error=True)
        self._changed(changes.ROOM)

    async def _refuse(self, pod: PodInfo, message: str) -> None:
        try:
            await self._announcer.refuse(pod, message)
        except (StatusError, ConnectionFailed) as error:
            _log.info("could not explain why pod %s waits: %s", pod.key, error)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            nodes=self._cache.nodes(),
            affinity_nodes=self._cache.affinity_nodes(),
            namespace_labels=self._namespace_labels,
            group_selectors=group_selectors(self._services, self._owners),
            volumes=Volumes(
                claim=self._claims.get,
                volume=lambda name: self._volumes.get("", name),
                storage_class=lambda name: self._classes.get("", name),
                all_volumes=self._volumes.list,
                claim_users=self._claim_users,
            ),
        )

    def _namespace_labels(self, name: str) -> dict[str, str]:
        return labels_of(self._namespaces.get("", name) or {})

    def _claim_users(self, namespace: str, claim: str) -> int:
        pods = (pod for node in self._cache.nodes() for pod in node.pods.values() if pod.namespace == namespace)
        return sum(1 for pod in pods if claim in claim_names(pod))


def _read(pod: Object) -> PodInfo | None:
    """The pod's view; None for a pod that cannot be read (its API server did not validate it)."""
    try:
        return PodInfo.from_object(pod)
    except (ValueError, StatusError) as error:
        _log.warning("cannot read pod %s: %s", name_of(pod), error)
        return None


def _images(node: Object) -> object:
    return (node.get("status") or {}).get("images")
