"""ControllerRevisions: the history of templates of StatefulSets and DaemonSets.

Semantics: kubernetes/kubernetes pkg/controller/history. A revision holds a patch that restores the template; its name
is a hash of it; its number says which is the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from minikube_py.api.errors import AlreadyExists
from minikube_py.api.meta import annotations_of, labels_of, name_of, namespace_of, owner_reference
from minikube_py.api.resources import CONTROLLERREVISIONS, DAEMONSETS, Resource
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from minikube_py.controllers.hashing import object_hash
from minikube_py.controllers.writes import Writes

HASH_LABEL = "controller-revision-hash"
_OWN_HASH_LABEL = "controller.kubernetes.io/hash"


def revision_data(owner: Object) -> Object:
    """The patch that restores the present template, its keys in order: clients compare it byte by byte."""
    template = (owner.get("spec") or {}).get("template") or {}
    return {"spec": {"template": _in_order(template | {"$patch": "replace"})}}


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def number_of(revision: Object) -> int:
    """The revision's number."""
    return int(revision.get("revision") or 0)


def ordered(revisions: Iterable[Object]) -> list[Object]:
    """Oldest first."""
    return sorted(revisions, key=lambda entry: (number_of(entry), name_of(entry)))


def template_in(revision: Object) -> Object:
    """The pod template that a revision holds."""
    template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
    return {key: value for key, value in template.items() if key != "$patch"}


def make_revision(owner: Object, resource: Resource, existing: Sequence[Object], collisions: int) -> Object:
    """The revision for the present template, numbered after the existing ones."""
    data = revision_data(owner)
    suffix = object_hash(data, collisions)
    template = (owner.get("spec") or {}).get("template") or {}
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    complete = owner | {"apiVersion": resource.api_version, "kind": resource.kind}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name_of(owner)[:223]}-{suffix}",
            "namespace": namespace_of(owner),
            "labels": labels | {HASH_LABEL if resource is DAEMONSETS else _OWN_HASH_LABEL: suffix},
            "annotations": dict(annotations_of(owner)),
            "ownerReferences": [owner_reference(complete)],
        },
        "data": data,
        "revision": max((number_of(entry) for entry in existing), default=0) + 1,
    }


def equal(revision: Object, owner: Object) -> bool:
    """Whether the revision holds the owner's present template."""
    return bool(revision.get("data") == revision_data(owner))


def surplus(revisions: Sequence[Object], live: Iterable[str], limit: int) -> list[Object]:
    """Revisions beyond the history limit that no pod carries (``live``: names or hashes), the oldest first."""
    in_use = set(live)
    idle = [entry for entry in ordered(revisions) if name_of(entry) not in in_use and hash_of(entry) not in in_use]
    return idle[: max(len(idle) - limit, 0)]


def hash_of(revision: Object) -> str:
    """The hash in the revision's name, under the label that its kind of owner uses."""
    labels = labels_of(revision)
    return labels.get(_OWN_HASH_LABEL) or labels.get(HASH_LABEL, "")


class History:
    """Keeps the revisions of one kind of owner."""

    def __init__(self, *, client: Client, writes: Writes, resource: Resource) -> None:
        self._client = client
        self._writes = writes
        self._resource = resource

    async def current(self, owner: Object, existing: Sequence[Object], collisions: int) -> tuple[Object, int]:
        """The revision of the present template, made or moved to the top of the history, and the collision count.

        Going back to an earlier template gives its revision the highest number again.
        """
        same = [entry for entry in ordered(existing) if equal(entry, owner)]
        newest = ordered(existing)[-1:]
        if same and same[-1:] == newest:
            return same[-1], collisions
        if same:
            raised = same[-1] | {"revision": number_of(newest[0]) + 1}
            return await self._writes.update(CONTROLLERREVISIONS, raised), collisions
        return await self._create(owner, existing, collisions)

    async def trim(self, revisions: Sequence[Object], live: Iterable[str], limit: int) -> None:
        """Forget what is beyond the limit."""
        for entry in surplus(revisions, live, limit):
            await self._writes.delete(CONTROLLERREVISIONS, entry)

    async def _create(self, owner: Object, existing: Sequence[Object], collisions: int) -> tuple[Object, int]:
        while True:
            wanted = make_revision(owner, self._resource, existing, collisions)
            try:
                return await self._writes.create(CONTROLLERREVISIONS, wanted), collisions
            except AlreadyExists:
                there = await self._client.get(CONTROLLERREVISIONS, name_of(wanted), namespace_of(wanted))
                if there.get("data") == wanted["data"]:
                    return there, collisions
                collisions += 1
