"""The garbage collector: watches the metadata of every kind and deletes what nobody owns any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from minikube_py.api.errors import NotFound
from minikube_py.api.meta import metadata, owners_of, uid_of
from minikube_py.api.resources import (
    BUILTIN,
    EVENTS,
    EVENTS_V1,
    HORIZONTALPODAUTOSCALERS_V1,
    Resource,
    ResourceTable,
)
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.rest import PatchKind
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.garbage.graph import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Node,
    Reference,
    blocking,
    closes_circle,
    is_questionable,
    propagation_for,
    standing,
)

_log = logging.getLogger(__name__)

#: Events own nothing and are owned by nothing; the second version of a kind is the same objects.
_NOT_WATCHED = (EVENTS, EVENTS_V1, HORIZONTALPODAUTOSCALERS_V1)


def collected(resources: Iterable[Resource] = BUILTIN) -> list[Resource]:
    """The resources whose objects can own or be owned."""
    needed = {"delete", "list", "watch"}
    return [entry for entry in resources if needed <= set(entry.verbs) and entry not in _NOT_WATCHED]


class GarbageCollector(Controller):
    """One key per UID (with an empty namespace). Nothing is deleted on the word of a cache: each deletion is preceded
    by a live look at the object and at owners that the graph does not know."""

    name = "garbage-collector-controller"
    account = "generic-garbage-collector"
    workers = 20

    def __init__(self, context: Context, *, resources: Iterable[Resource] | None = None) -> None:
        super().__init__(context)
        self._resources = collected() if resources is None else list(resources)
        self._table = ResourceTable(self._resources)
        self._graph = Graph()
        self._absent: dict[str, None] = {}
        self._ready = False

    async def start(self) -> None:
        """Begin; watches on kinds that no other controller needs are opened one after the other, behind the rest."""
        self._tasks.spawn(self._watch_all(), name="watches")

    @property
    def ready(self) -> bool:
        """Whether every kind is watched; nothing is collected before."""
        return self._ready

    async def reconcile(self, key: ObjectKey) -> None:
        node = self._graph.get(key.name)
        if node is None:
            return
        if node.lets_dependents_go:
            await self._orphan_dependents(node)
        elif node.waits_for_dependents:
            await self._finish_foreground(node)
        elif not node.deleting and is_questionable(node, self._graph):
            await self._judge(node)

    async def _watch_all(self) -> None:
        for resource in self._resources:
            informer = self.context.informers.of(resource)
            informer.subscribe(self._observer(resource))
            await informer.wait_synced()
        await super().start()
        self._ready = True

    def _observer(self, resource: Resource) -> Callable[[Object | None, Object | None], None]:
        def observe(old: Object | None, new: Object | None) -> None:
            if new is None:
                uids = self._graph.forget(uid_of(old or {}))
            elif old is None or _ownership(old) != _ownership(new):
                uids = self._graph.observe(Node.from_object(resource, new))
            else:
                return
            for uid in uids:
                self.queue.add(ObjectKey("", uid))

        return observe

    # --- an object whose owners may be gone ------------------------------------------------------------------------

    async def _judge(self, node: Node) -> None:
        live = await self._live(node)
        if live is None:
            return
        current = Node.from_object(node.resource, live)
        if current.deleting:
            return
        missing = [reference for reference in current.owners if await self._is_absent(current, reference)]
        state = standing(current, self._graph, lambda reference: reference in missing)
        if state.solid:
            await self._drop_references(live, node.resource, [*state.dangling, *state.waiting])
            return
        if state.waiting and closes_circle(current, self._graph):
            live = await self._unblock_owners(live, current)
        if live is not None and (state.dangling or state.waiting):
            await self._delete(live, current, propagation_for(current, state, self._graph))

    async def _unblock_owners(self, live: Object, node: Node) -> Object | None:
        """No owner waits for the object any more: in a circle of owners each would wait for the next for ever."""
        owners = [ref | {"blockOwnerDeletion": False} if ref.get("blockOwnerDeletion") else ref for ref in node.owners]
        await self._set_owners(live, node.resource, owners)
        return await self._live(node)

    async def _live(self, node: Node) -> Object | None:
        """The object as it is now; None where it is gone, or another one has its name."""
        try:
            live = await self.context.client.get(node.resource, node.key.name, node.key.namespace or None)
        except NotFound:
            return None
        return live if uid_of(live) == node.uid else None

    async def _is_absent(self, node: Node, reference: Reference) -> bool:
        uid = str(reference.get("uid"))
        known = self._graph.get(uid)
        if known is not None and known.key.namespace in ("", node.key.namespace):
            return False
        if uid in self._absent:
            return True
        resource = self._table.for_kind(str(reference.get("apiVersion")), str(reference.get("kind")))
        if resource is None:
            _log.debug("owner %s of %s is of no kind known here: kept", reference, node.key)
            return False
        if resource.namespaced and not node.key.namespace:
            return False  # a cluster-wide object cannot be owned from a namespace: upstream keeps it, too
        try:
            owner = await self.context.client.get(
                resource, str(reference.get("name")), node.key.namespace if resource.namespaced else None
            )
        except NotFound:
            self._remember_absent(uid)
            return True
        if uid_of(owner) == uid:
            return False
        self._remember_absent(uid)
        return True

    def _remember_absent(self, uid: str) -> None:
        self._absent[uid] = None
        if len(self._absent) > 500:
            del self._absent[next(iter(self._absent))]

    async def _delete(self, live: Object, node: Node, propagation: str) -> None:
        try:
            await self.context.client.delete(
                node.resource,
                node.key.name,
                node.key.namespace or None,
                propagation=propagation,
                preconditions={"uid": node.uid, "resourceVersion": metadata(live)["resourceVersion"]},
            )
        except NotFound:
            pass

    async def _drop_references(self, live: Object, resource: Resource, references: Iterable[Reference]) -> None:
        gone = {reference.get("uid") for reference in references}
        if gone:
            await self._set_owners(live, resource, [ref for ref in owners_of(live) if ref.get("uid") not in gone])

    # --- an owner that is being deleted ----------------------------------------------------------------------------

    async def _orphan_dependents(self, owner: Node) -> None:
        for node in self._graph.dependents(owner.uid):
            live = await self._live(node)
            if live is not None:
                left = [reference for reference in owners_of(live) if reference.get("uid") != owner.uid]
                await self._set_owners(live, node.resource, left)
        await self._remove_finalizer(owner, ORPHAN)

    async def _finish_foreground(self, owner: Node) -> None:
        left = blocking(owner, self._graph)
        for node in left:
            if not node.deleting:
                self.queue.add(ObjectKey("", node.uid))
        if not left:
            await self._remove_finalizer(owner, FOREGROUND)

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        live = await self._live(node)
        if live is None:
            return
        left = [entry for entry in metadata(live).get("finalizers") or () if entry != finalizer]
        await self._patch(live, node.resource, {"finalizers": left or None})

    async def _set_owners(self, live: Object, resource: Resource, owners: list[Reference]) -> None:
        if owners != owners_of(live):
            await self._patch(live, resource, {"ownerReferences": owners or None})

    async def _patch(self, live: Object, resource: Resource, changes: Object) -> None:
        meta = metadata(live)
        patch = {"metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]} | changes}
        try:
            await self.context.client.patch(resource, meta["name"], patch, meta.get("namespace"), kind=PatchKind.MERGE)
        except NotFound:
            pass


def _ownership(obj: Object) -> tuple[object, ...]:
    meta = metadata(obj)
    return meta.get("uid"), meta.get("ownerReferences"), meta.get("finalizers"), meta.get("deletionTimestamp")
