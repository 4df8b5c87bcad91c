"""Who depends on whom, over every kind, and what that asks to be done about one object. Pure.

Semantics: the API concept "Garbage Collection" and kubernetes/kubernetes pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from minikube_py.api.meta import is_deleting, metadata, name_of, namespace_of, owners_of, uid_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object, ObjectKey

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

Reference = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """An object as far as its ownership goes."""

    uid: str
    resource: Resource
    key: ObjectKey
    owners: tuple[Reference, ...]
    finalizers: tuple[str, ...]
    deleting: bool

    @property
    def waits_for_dependents(self) -> bool:
        """Deleted in the foreground: it goes after those that block it."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def lets_dependents_go(self) -> bool:
        """Deleted with its dependents orphaned."""
        return self.deleting and ORPHAN in self.finalizers

    @classmethod
    def from_object(cls, resource: Resource, obj: Object) -> Node:
        return cls(
            uid=uid_of(obj),
            resource=resource,
            key=ObjectKey(namespace_of(obj), name_of(obj)),
            owners=tuple(owners_of(obj)),
            finalizers=tuple(metadata(obj).get("finalizers") or ()),
            deleting=is_deleting(obj),
        )


class Graph:
    """Objects by UID and the edges between them. ``observe`` and ``forget`` tell which UIDs need a look."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        """The objects that name ``uid`` as an owner."""
        found = (self._nodes.get(dependent) for dependent in self._dependents.get(uid, ()))
        return [node for node in found if node is not None]

    def observe(self, node: Node) -> Iterator[str]:
        """The object is new or has changed."""
        old = self._nodes.get(node.uid)
        if old == node:
            return
        self._nodes[node.uid] = node
        self._link(node.uid, old.owners if old else (), node.owners)
        if node.owners or node.waits_for_dependents or node.lets_dependents_go:
            yield node.uid
        if node.waits_for_dependents and not (old and old.waits_for_dependents):
            yield from list(self._dependents.get(node.uid, ()))
        yield from self._waiting_owners(node)

    def forget(self, uid: str) -> Iterator[str]:
        """The object is gone: its dependents need a look, and the owners that waited for it."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return
        self._link(uid, node.owners, ())
        yield from list(self._dependents.get(uid, ()))
        yield from self._waiting_owners(node)

    def _waiting_owners(self, node: Node) -> Iterator[str]:
        for reference in node.owners:
            owner = self._nodes.get(str(reference.get("uid")))
            if owner is not None and owner.waits_for_dependents:
                yield owner.uid

    def _link(self, uid: str, before: Iterable[Reference], after: Iterable[Reference]) -> None:
        for reference in before:
            held = self._dependents.get(str(reference.get("uid")))
            if held is not None:
                held.discard(uid)
                if not held:
                    del self._dependents[str(reference.get("uid"))]
        for reference in after:
            self._dependents.setdefault(str(reference.get("uid")), set()).add(uid)


@dataclass(slots=True)
class Standing:
    """How an object's owners stand: there, gone, or waiting for it to go first."""

    solid: list[Reference] = field(default_factory=list)
    dangling: list[Reference] = field(default_factory=list)
    waiting: list[Reference] = field(default_factory=list)


def is_questionable(node: Node, graph: Graph) -> bool:
    """Whether an owner is unknown, or waits for its dependents: all other objects are as they should be."""
    owners = [graph.get(str(reference.get("uid"))) for reference in node.owners]
    return any(owner is None or owner.waits_for_dependents or not _reachable(owner, node) for owner in owners)


def standing(node: Node, graph: Graph, absent: Callable[[Reference], bool]) -> Standing:
    """Sort the owners. ``absent`` answers for owners that the graph does not know."""
    found = Standing()
    for reference in node.owners:
        owner = graph.get(str(reference.get("uid")))
        if owner is None or not _reachable(owner, node):
            (found.dangling if absent(reference) else found.solid).append(reference)
        elif owner.waits_for_dependents and reference.get("blockOwnerDeletion"):
            found.waiting.append(reference)
        else:
            found.solid.append(reference)
    return found


def blocking(owner: Node, graph: Graph) -> list[Node]:
    """The dependents that an owner deleted in the foreground has to wait for."""
    return [
        node
        for node in graph.dependents(owner.uid)
        if any(ref.get("uid") == owner.uid and ref.get("blockOwnerDeletion") for ref in node.owners)
    ]


def closes_circle(node: Node, graph: Graph) -> bool:
    """Whether an object that its owner waits for has dependents that wait for theirs (upstream's guess at a circle)."""
    return any(dependent.waits_for_dependents for dependent in graph.dependents(node.uid))


def propagation_for(node: Node, state: Standing, graph: Graph) -> str:
    """How to delete an object whose owners are gone: as its own finalizers say, else in the background; in the
    foreground where its owner waits and it has dependents itself."""
    if state.waiting and graph.dependents(node.uid):
        return "Foreground"
    if ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in node.finalizers else "Background"


def _reachable(owner: Node, node: Node) -> bool:
    """An owner is cluster-wide or of the same namespace; anything else is a mistake and counts as absent."""
    return not owner.key.namespace or owner.key.namespace == node.key.namespace
