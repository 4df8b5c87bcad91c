"""Who owns what: adopting orphans that match a selector, releasing what no longer matches.

Semantics: ``PodControllerRefManager`` of kubernetes/kubernetes pkg/controller. Adoption needs a live look at the owner
first: a cache could still show an owner that has been replaced by a namesake.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from minikube_py.api.errors import Conflict, Invalid, NotFound
from minikube_py.api.meta import (
    controller_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    owners_of,
    uid_of,
)
from minikube_py.api.resources import Resource
from minikube_py.api.selectors import LabelSelector
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client, PatchKind
from minikube_py.controllers.writes import Writes

CONTROLLER_INDEX = "controller"
NAMESPACE_INDEX = "namespace"
NODE_INDEX = "node"


def by_controller(obj: Object) -> list[str]:
    """Index function: the UID of the controller, or the namespace's orphans."""
    reference = controller_of(obj)
    return [str(reference.get("uid")) if reference else f"orphans of {namespace_of(obj)}"]


def by_namespace(obj: Object) -> list[str]:
    """Index function: the namespace."""
    return [namespace_of(obj)]


def by_node(pod: Object) -> list[str]:
    """Index function over pods: the node they are bound to."""
    name = (pod.get("spec") or {}).get("nodeName")
    return [name] if name else []


def index_by_controller(informer: Informer) -> None:
    """Declare the index that ``candidates`` and ``owned`` read."""
    informer.add_index(CONTROLLER_INDEX, by_controller)


def index_by_namespace(informer: Informer) -> None:
    """Declare the index over namespaces."""
    informer.add_index(NAMESPACE_INDEX, by_namespace)


def index_by_node(informer: Informer) -> None:
    """Declare the index over nodes."""
    informer.add_index(NODE_INDEX, by_node)


def on_node(informer: Informer, node: str) -> list[Object]:
    """The pods bound to one node, by index."""
    return informer.by_index(NODE_INDEX, node)


def in_namespace(informer: Informer, namespace: str) -> list[Object]:
    """The informer's objects in one namespace, by index."""
    return informer.by_index(NAMESPACE_INDEX, namespace)


def owned(informer: Informer, owner: Object) -> list[Object]:
    """The objects whose controller is ``owner``."""
    return informer.by_index(CONTROLLER_INDEX, uid_of(owner))


def candidates(informer: Informer, owner: Object) -> list[Object]:
    """What the owner has, and what in its namespace has no controller."""
    orphans = informer.by_index(CONTROLLER_INDEX, f"orphans of {namespace_of(owner)}")
    return [*owned(informer, owner), *orphans]


@dataclass(frozen=True, slots=True)
class Claim:
    """What to do about ownership: keep, take in, let go."""

    keep: list[Object]
    adopt: list[Object]
    release: list[Object]


def plan_claim(owner: Object, selector: LabelSelector, objects: Iterable[Object]) -> Claim:
    """Sort objects by what ``owner`` should do with them. An owner that is being deleted takes nothing in."""
    claim = Claim([], [], [])
    for obj in objects:
        reference = controller_of(obj)
        matches = selector.matches(labels_of(obj))
        if reference is not None:
            if reference.get("uid") == uid_of(owner):
                (claim.keep if matches or is_deleting(owner) else claim.release).append(obj)
        elif matches and not is_deleting(owner) and not is_deleting(obj):
            claim.adopt.append(obj)
    return claim


def owner_key(obj: Object, kind: str, group: str) -> ObjectKey | None:
    """The key of the controller of this kind and API group that owns the object, if one does."""
    reference = controller_of(obj)
    if reference is None or reference.get("kind") != kind:
        return None
    if str(reference.get("apiVersion") or "").rpartition("/")[0] != group:
        return None
    return ObjectKey(namespace_of(obj), str(reference.get("name")))


class Claims:
    """Carries claims out for one kind of owner and one kind of owned objects."""

    def __init__(self, *, client: Client, writes: Writes, owners: Resource, owned: Resource) -> None:
        self._client = client
        self._writes = writes
        self._owners = owners
        self._owned = owned

    async def claim(self, owner: Object, selector: LabelSelector, objects: Iterable[Object]) -> list[Object]:
        """The objects that are the owner's after adoption and release. Raises Conflict where the owner is not the
        one it seems to be."""
        plan = plan_claim(owner, selector, objects)
        kept = list(plan.keep)
        if plan.adopt:
            await self._look_live(owner)
        for obj in plan.adopt:
            adopted = await self._adopt(owner, obj)
            if adopted is not None:
                kept.append(adopted)
        for obj in plan.release:
            await self._release(owner, obj)
        return kept

    async def _look_live(self, owner: Object) -> None:
        live = await self._client.get(self._owners, name_of(owner), namespace_of(owner))
        if uid_of(live) != uid_of(owner):
            raise Conflict(f"original {self._owners.kind} {namespace_of(owner)}/{name_of(owner)} is gone")
        if is_deleting(live):
            raise Conflict(f"{namespace_of(owner)}/{name_of(owner)} has just been deleted")

    async def _adopt(self, owner: Object, obj: Object) -> Object | None:
        reference = owner_reference(owner | {"apiVersion": self._owners.api_version, "kind": self._owners.kind})
        patch: Object = {"metadata": {"uid": uid_of(obj), "ownerReferences": [*owners_of(obj), reference]}}
        try:
            return await self._writes.patch(self._owned, obj, patch, kind=PatchKind.MERGE)
        except (NotFound, Invalid):
            return None

    async def _release(self, owner: Object, obj: Object) -> None:
        left = [reference for reference in owners_of(obj) if reference.get("uid") != uid_of(owner)]
        patch: Object = {"metadata": {"uid": uid_of(obj), "ownerReferences": left or None}}
        try:
            await self._writes.patch(self._owned, obj, patch, kind=PatchKind.MERGE)
        except (NotFound, Invalid):
            pass
