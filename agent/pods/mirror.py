"""Mirror pods: what the API server shows of static pods, so that they can be seen (and not changed) with kubectl.

A mirror is made when a static pod runs, made again when somebody deletes it, and removed with its static pod.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.pods.model import MIRROR_ANNOTATION
from agent.pods.static import HASH_ANNOTATION
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from minikube_py.api.meta import annotations_of, is_deleting, key_of, name_of, namespace_of, uid_of
from minikube_py.api.resources import PODS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client

_log = logging.getLogger(__name__)


def is_mirror(pod: Object) -> bool:
    """Whether a pod of the API server is the image of a static one."""
    return MIRROR_ANNOTATION in annotations_of(pod)


def mirror_of(pod: Object, node: Object | None) -> Object:
    """The mirror pod to create for a static pod. Pure."""
    meta = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "resourceVersion")}
    meta["annotations"] = {**annotations_of(pod), MIRROR_ANNOTATION: annotations_of(pod)[HASH_ANNOTATION]}
    if node is not None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": name_of(node), "uid": uid_of(node), "controller": True}
        meta["ownerReferences"] = [owner]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]}


class MirrorPods:
    """Keeps a mirror for each static pod. ``node`` gives the Node that owns them."""

    def __init__(self, *, client: Client, clock: Clock, node: Callable[[], Object | None]) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._wanted: dict[ObjectKey, Object] = {}
        self._seen: dict[ObjectKey, Object] = {}
        self._busy: set[ObjectKey] = set()
        self._tasks = TaskSet("mirror-pods")

    async def stop(self) -> None:
        await self._tasks.close()

    def want(self, pods: dict[str, Object]) -> None:
        """The static pods that there are."""
        before, self._wanted = self._wanted, {key_of(pod): pod for pod in pods.values()}
        for key in before.keys() | self._wanted.keys() | self._seen.keys():
            self._reconcile(key)

    def observed(self, key: ObjectKey, mirror: Object | None) -> None:
        """The API server's mirror of this name; None: it is gone."""
        if mirror is None:
            self._seen.pop(key, None)
        else:
            self._seen[key] = mirror
        self._reconcile(key)

    def static_of(self, mirror: Object) -> Object | None:
        """The static pod whose present image this is."""
        pod = self._wanted.get(key_of(mirror))
        return pod if pod is not None and annotations_of(mirror)[MIRROR_ANNOTATION] == uid_of(pod) else None

    def _is_right(self, key: ObjectKey) -> bool:
        mirror, pod = self._seen.get(key), self._wanted.get(key)
        if mirror is None:
            return pod is None
        return pod is not None and not is_deleting(mirror) and self.static_of(mirror) is not None

    def _reconcile(self, key: ObjectKey) -> None:
        if key not in self._busy and not self._is_right(key):
            self._busy.add(key)
            self._tasks.spawn(self._correct(key), name=str(key))

    async def _correct(self, key: ObjectKey) -> None:
        backoff = Backoff(0.2, 10.0)
        try:
            while not self._is_right(key):
                try:
                    await self._correct_once(key)
                except (StatusError, ConnectionFailed) as error:
                    _log.info("mirror pod %s: %s", key, error)
                await self._clock.sleep(backoff.next())
        finally:
            self._busy.discard(key)

    async def _correct_once(self, key: ObjectKey) -> None:
        mirror = self._seen.get(key)
        if mirror is not None:
            preconditions = {"uid": uid_of(mirror)}
            try:
                await self._client.delete(PODS, key.name, key.namespace, grace_seconds=0, preconditions=preconditions)
            except (NotFound, Conflict):
                pass
            self._seen.pop(key, None)
        pod = self._wanted.get(key)
        if pod is not None:
            try:
                made = await self._client.create(PODS, mirror_of(pod, self._node()), namespace_of(pod))
            except AlreadyExists:
                return
            self._seen[key] = made
