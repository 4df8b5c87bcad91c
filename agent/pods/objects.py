"""The ConfigMaps, Secrets and other objects that this node's pods refer to, each watched while a pod uses it.

A node may read only what its pods name, so each object is its own watch (a list by name, then events); pods that share
an object share the watch. Objects that are asked for by a field share one watch in the same way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import NotFound
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client

_log = logging.getLogger(__name__)
#: Resource, namespace, field selector.
_Key = tuple[Resource, str, str]


@dataclass(slots=True)
class _Watched:
    informer: Informer
    tasks: TaskSet
    users: set[str] = field(default_factory=set)


class ObjectCache:
    """Objects by resource, namespace and name. ``on_change(uids)`` names the pods whose object has changed."""

    def __init__(self, *, client: Client, clock: Clock, on_change: Callable[[set[str]], None]) -> None:
        self._client = client
        self._clock = clock
        self._on_change = on_change
        self._watched: dict[_Key, _Watched] = {}

    async def acquire(self, uid: str, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, None where it does not exist. The pod ``uid`` hears of its changes until ``release``."""
        informer = await self._watch(uid, (resource, namespace, f"metadata.name={name}"))
        return informer.get(namespace, name)

    async def read(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object as it is now. Claims and volumes are read so: a node may get those of its pods, not watch them."""
        try:
            return await self._client.get(resource, name, namespace or None)
        except NotFound:
            return None

    async def select(self, uid: str, resource: Resource, selector: str) -> list[Object]:
        """The cluster-scoped objects that a field selector finds, by name. The pod hears of every change among them."""
        informer = await self._watch(uid, (resource, "", selector))
        return sorted(informer.list(), key=name_of)

    async def _watch(self, uid: str, key: _Key) -> Informer:
        watched = self._watched.get(key) or self._begin(key)
        watched.users.add(uid)
        await watched.informer.wait_synced()
        return watched.informer

    async def release(self, uid: str) -> None:
        """The pod needs nothing any more; what nobody else uses is no longer watched."""
        for key, watched in list(self._watched.items()):
            watched.users.discard(uid)
            if not watched.users:
                del self._watched[key]
                await watched.tasks.close()

    async def close(self) -> None:
        """Stop every watch."""
        watched, self._watched = list(self._watched.values()), {}
        for each in watched:
            await each.tasks.close()

    def _begin(self, key: _Key) -> _Watched:
        resource, namespace, selector = key
        tasks = TaskSet(f"watch-{resource.plural}-{namespace}-{selector}")
        informer = Informer(
            self._client,
            resource,
            namespace=namespace or None,
            field_selector=selector,
            tasks=tasks,
            clock=self._clock,
        )
        watched = self._watched[key] = _Watched(informer, tasks)
        informer.subscribe(lambda _old, _new: self._on_change(set(watched.users)) if informer.synced else None)
        informer.start()
        return watched
