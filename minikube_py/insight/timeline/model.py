"""One write of the past, and the whole story of writes with their causes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from minikube_py.api.meta import labels_of, name_of, namespace_of, owners_of, parse_time, uid_of
from minikube_py.api.types import Object

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_ACCOUNT = "system:serviceaccount:"
_NODE = "system:node:"
_SYSTEM = "system:"
_CREATES, _REMOVES = "creates", "removes"


@dataclass(frozen=True, slots=True)
class Write:
    """One commit. ``cause`` is the index of the write that it answers, -1 for none; ``depth`` that of the chain."""

    revision: int
    moment: datetime
    user: str
    agent: str
    verb: str
    kind: str
    obj: Object
    previous: Object | None = None
    cause: int = -1
    depth: int = 0
    changed: tuple[str, ...] = field(default=())

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Write:
        """An entry of the API server's ``/debug/timeline``."""
        verb = {"ADDED": _CREATES, "DELETED": _REMOVES}.get(entry["type"]) or _verb(entry)
        previous, obj = entry.get("previous"), entry["object"]
        changed = tuple(changed_paths(previous, obj)) if previous else ()
        return cls(
            int(entry["revision"]),
            parse_time(entry["time"]),
            entry["user"],
            entry["agent"],
            verb,
            entry["kind"],
            obj,
            previous,
            changed=changed,
        )

    @property
    def by_person(self) -> bool:
        """Whether it was asked for from outside the cluster's own parts."""
        return not self.user.startswith(_SYSTEM) or self.user == "system:admin"

    @property
    def who(self) -> str:
        """The writer as a person would say it."""
        if self.by_person:
            program = self.agent.partition("/")[0] or self.user
            return f"you ({program})"
        name = self.user.removeprefix(_ACCOUNT)
        if name != self.user:
            return name.rpartition(":")[2]
        if self.user.startswith(_NODE):
            return f"agent {self.user.removeprefix(_NODE)}"
        return self.user.removeprefix(_SYSTEM).removeprefix("kube-")

    @property
    def what(self) -> str:
        """``Pod web-1``."""
        return f"{self.kind} {name_of(self.obj)}"

    @property
    def identity(self) -> str:
        """The object's uid, or its place where it has none."""
        return uid_of(self.obj) or f"{self.kind}/{namespace_of(self.obj)}/{name_of(self.obj)}"

    @property
    def about_nodes(self) -> bool:
        """A node's own report on itself: a heartbeat, to which nothing answers."""
        return self.kind == "Node" and self.user.startswith(_NODE)

    def about(self) -> Iterator[str]:
        """What a write of the object may follow: owners that make or remove it, a slice's pods, an event's subject."""
        if self.verb in (_CREATES, _REMOVES):
            yield from self.owners()
        if self.kind == "Event":
            subject = self.obj.get("involvedObject") or {}
            yield str(
                subject.get("uid") or f"{subject.get('kind')}/{subject.get('namespace') or ''}/{subject.get('name')}"
            )
        if self.kind == "EndpointSlice":
            yield from _slice_references(self.obj)
        if self.kind == "Endpoints":
            yield place("Service", namespace_of(self.obj), name_of(self.obj))
            for subset in self.obj.get("subsets") or ():
                addresses = [*(subset.get("addresses") or ()), *(subset.get("notReadyAddresses") or ())]
                yield from (str((each.get("targetRef") or {}).get("uid") or "") for each in addresses)

    def owners(self) -> Iterator[str]:
        """The uids of its owners."""
        return (str(owner.get("uid") or "") for owner in owners_of(self.obj))

    def names(self) -> Iterator[str]:
        """By which names others refer to the object."""
        yield self.identity
        yield place(self.kind, namespace_of(self.obj), name_of(self.obj))


def place(kind: str, namespace: str, name: str) -> str:
    """The name of an object that is referred to without its uid."""
    return f"{kind}/{namespace}/{name}"


def changed_paths(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The paths that differ, at most three levels deep; bookkeeping apart."""
    if before is None or after is None:  # an absent object is an empty one
        before, after = ({} if isinstance(after, dict) else before), ({} if isinstance(before, dict) else after)
    if isinstance(before, dict) and isinstance(after, dict) and path.count(".") < 2:
        for key in sorted(before.keys() | after.keys()):
            if not path and key == "metadata":
                yield from _metadata(before.get(key) or {}, after.get(key) or {})
            elif before.get(key) != after.get(key):
                yield from changed_paths(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield path


def _metadata(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in ("labels", "annotations", "finalizers", "deletionTimestamp", "ownerReferences"):
        if before.get(key) != after.get(key):
            yield f"metadata.{key}"


def _slice_references(one: Object) -> Iterator[str]:
    for endpoint in one.get("endpoints") or ():
        yield str((endpoint.get("targetRef") or {}).get("uid") or "")
    yield place("Service", namespace_of(one), labels_of(one).get(_SERVICE_NAME_LABEL, ""))


def _verb(entry: Mapping[str, Any]) -> str:
    subresource = entry.get("subresource") or ""
    if subresource == "binding":
        return "binds"
    if entry.get("verb") == "delete":
        return "asks to delete"
    return f"writes {subresource} of" if subresource else "changes"


def writes_of(entries: Iterable[Mapping[str, Any]]) -> list[Write]:
    """All writes in their order."""
    return [Write.from_entry(entry) for entry in entries]
