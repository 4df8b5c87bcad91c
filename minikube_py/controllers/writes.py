"""Writing so that what is read next is never older than what was written.

A controller decides from its informers' caches. Were its own writes still on their way there, it would do them again:
create a pod twice, scale twice. Upstream keeps "expectations" per controller; here a write simply returns once the
cache shows it (or something newer), which a watch delivers within a millisecond or two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from minikube_py.api.errors import NotFound
from minikube_py.api.meta import is_deleting, key_of, name_of, namespace_of, revision_of, uid_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.informer import Informer
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client, PatchKind

#: How often a wait looks for itself, should the event that ends it never come (a relist may skip it).
_LOOK_SECONDS = 1.0
#: How long a deletion may take to show before it is asked for again.
_PATIENCE_SECONDS = 30.0
#: Requests under way at once: each is a connection, and more of them only wait in the server instead of here.
_AT_ONCE = 32


class CacheLags(Exception):
    """The cache did not show a write in time: the key is tried again later."""


class Writes:
    """The writing half of a client, in step with the caches of ``informers``."""

    def __init__(self, client: Client, informers: InformerSet) -> None:
        self._client = client
        self._informers = informers
        self._echoes: dict[Resource, _Echo] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def acting_as(self, client: Client) -> Writes:
        """The same caches and limits for writes under another identity."""
        if client is self._client:
            return self
        other = Writes(client, self._informers)
        other._echoes, other._gate = self._echoes, self._gate
        return other

    def follow(self, resource: Resource) -> Informer:
        """The resource's informer; from now on writes to the resource wait for it."""
        if resource not in self._echoes:
            self._echoes[resource] = _Echo(self._informers.of(resource))
        return self._echoes[resource].informer

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create the object in its own namespace."""
        async with self._gate:
            created = await self._client.create(resource, obj, namespace_of(obj) or None)
        await self._reached(resource, created)
        return created

    async def update(self, resource: Resource, obj: Object, *, subresource: str | None = None) -> Object:
        """Replace the object (or its status); Conflict where it has moved on since it was read."""
        async with self._gate:
            updated = await self._client.update(resource, obj, subresource=subresource)
        await self._reached(resource, updated)
        return updated

    async def update_status(self, resource: Resource, obj: Object, status: Object) -> Object:
        """Replace the object's status; nothing is sent where it is the same already."""
        if obj.get("status") == status:
            return obj
        return await self.update(resource, obj | {"status": status}, subresource="status")

    async def patch(
        self,
        resource: Resource,
        obj: Object,
        patch: Object,
        *,
        kind: PatchKind = PatchKind.MERGE,
        subresource: str | None = None,
    ) -> Object:
        """Patch the object that ``obj`` names."""
        namespace = namespace_of(obj) or None
        async with self._gate:
            patched = await self._client.patch(
                resource, name_of(obj), patch, namespace, kind=kind, subresource=subresource
            )
        await self._reached(resource, patched)
        return patched

    async def delete(
        self, resource: Resource, obj: Object, *, propagation: str | None = None, grace_seconds: int | None = None
    ) -> bool:
        """Ask for the deletion of this very object (by UID); False where it is gone already."""
        try:
            async with self._gate:
                await self._client.delete(
                    resource,
                    name_of(obj),
                    namespace_of(obj) or None,
                    propagation=propagation,
                    grace_seconds=grace_seconds,
                    preconditions={"uid": uid_of(obj)},
                )
        except NotFound:
            return False
        echo = self._echoes.get(resource)
        if echo is not None:
            await echo.until_going(obj)
        return True

    async def _reached(self, resource: Resource, obj: Object) -> None:
        echo = self._echoes.get(resource)
        if echo is not None:
            await echo.until_seen(obj)


class _Echo:
    """Waits for one informer's cache to catch up with writes."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self._waiting: dict[ObjectKey, list[asyncio.Future[None]]] = {}
        self._departed: dict[ObjectKey, str] = {}
        #: The last revision seen: unlike the informer's own it survives a broken watch.
        self._newest = 0
        informer.subscribe(self._on_change)

    async def until_seen(self, obj: Object) -> None:
        """Return once the cache has this revision of the object, or a later one, or has seen it go.

        However long the watch is broken: to decide on a cache that lacks what was created would be to create it twice.
        Raises CacheLags where the server came back with an older memory, in which the write may never have happened.
        """
        key, uid, revision = key_of(obj), uid_of(obj), revision_of(obj)
        known_before = self._newest = self._known() or self._newest

        def seen() -> bool:
            cached = self.informer.get(key.namespace, key.name)
            if cached is not None and revision_of(cached) >= revision:
                return True
            known = self._known()
            if 0 < known < known_before:
                raise CacheLags(
                    f"{self.informer.scope.resource.plural} {key}: the server counts from an earlier revision"
                )
            return self._departed.get(key) == uid or known >= revision

        await self._until(key, seen)

    async def until_going(self, obj: Object) -> None:
        """Return once the cache shows the object deleted, or marked for deletion. Raises CacheLags after a while:
        asking again for a deletion (by UID) does no harm."""
        key, uid = key_of(obj), uid_of(obj)
        give_up = asyncio.get_running_loop().time() + _PATIENCE_SECONDS

        def going() -> bool:
            cached = self.informer.get(key.namespace, key.name)
            if cached is None or uid_of(cached) != uid or is_deleting(cached):
                return True
            if asyncio.get_running_loop().time() > give_up:
                raise CacheLags(f"{self.informer.scope.resource.plural} {key} was deleted but is still seen")
            return False

        await self._until(key, going)

    def _known(self) -> int:
        """The revision up to which the cache is complete; 0 while a new list is due."""
        known = self.informer.resource_version
        return int(known) if known.isdigit() else 0

    async def _until(self, key: ObjectKey, condition: Callable[[], bool]) -> None:
        while not condition():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, []).append(future)
            done, _ = await asyncio.wait({future}, timeout=_LOOK_SECONDS)
            if not done:
                self._give_up(key, future)
        if key not in self._waiting:
            self._departed.pop(key, None)

    def _give_up(self, key: ObjectKey, future: asyncio.Future[None]) -> None:
        left = [other for other in self._waiting.pop(key, ()) if other is not future]
        if left:
            self._waiting[key] = left

    def _on_change(self, old: Object | None, new: Object | None) -> None:
        obj = new if new is not None else old
        if obj is None:
            return
        self._newest = max(self._newest, revision_of(obj))
        if not self._waiting:
            return
        key = key_of(obj)
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return
        if new is None and old is not None:
            self._departed[key] = uid_of(old)
        for future in waiting:
            if not future.done():
                future.set_result(None)
