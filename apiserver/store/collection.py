"""The objects of one resource: committed one at a time, listed in key order, indexed by what selectors ask for.

Every method is synchronous and runs on the event loop's thread, so a write that reads, decides and commits within one
call needs no lock. What is returned is immutable.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from apiserver.store.feeds import Feeds
from apiserver.store.history import History
from apiserver.store.labels import LabelIndex
from apiserver.store.objects import Change, StoredObject, at_revision, encode, encode_parts, storage_key
from apiserver.store.selectable import FieldTable
from apiserver.store.selection import Selection
from apiserver.store.shelf import Shelf
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: From this part of all objects on, picking them out of the whole is quicker than sorting their keys.
_MANY: Final = 8
_by_key = itemgetter(StoredObject._fields.index("key"))


class Timeline(Protocol):
    """The store's one sequence of revisions, shared by its collections."""

    revision: int

    def commit(self, collection: Collection, change: Change) -> None:
        """Make ``change``, whose revision is ``revision + 1``, part of the sequence. Raises when it is refused."""
        ...


class Page(NamedTuple):
    """Part of a list at one revision. ``last`` is the key to continue after, None at the end."""

    items: Sequence[StoredObject]
    revision: int
    last: str | None = None
    remaining: int | None = None


class Collection:
    """All objects of ``resource``. ``changed`` is the revision of the latest change among them."""

    def __init__(self, resource: Resource, fields: FieldTable, timeline: Timeline, *, history_size: int) -> None:
        self.resource = resource
        self.fields = fields
        self.feeds = Feeds(fields.paths)
        self.history = History(history_size)
        self.changed = 0
        self._timeline = timeline
        self._objects: dict[str, StoredObject] = {}
        self._keys: dict[str, list[str]] = {}
        self._shelf = Shelf()
        self._labels = LabelIndex()
        self._by_field: list[tuple[int, dict[str, set[str]]]] = [
            (fields.paths.index(path), {}) for path in fields.indexed
        ]

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> StoredObject | None:
        """The object, if it is there."""
        return self._objects.get(storage_key(namespace, name))

    def encoded(self, stored: StoredObject, make: Callable[[StoredObject], bytes]) -> bytes:
        """Another encoding of an object, always made by the same ``make``; kept while the object stays as it is."""
        if self._objects.get(stored.key) is not stored:
            return make(stored)
        known = self._shelf.get(stored.revision)
        if known is None:
            known = make(stored)
            self._shelf.put(stored.revision, known)
        return known

    def create(self, obj: Object) -> StoredObject:
        """Commit a new object; takes ``obj`` over and writes its resourceVersion. It must not exist."""
        stored = self._stored(obj, self._timeline.revision + 1)
        if stored.key in self._objects:
            raise ValueError(f"{self.resource.plural} {stored.key} exists")
        self._commit(Change("ADDED", stored, None))
        return self._objects[stored.key]

    def update(self, previous: StoredObject, obj: Object) -> StoredObject:
        """Commit a new state in place of ``previous``, which must be the present one; takes ``obj`` over."""
        if self._objects.get(previous.key) is not previous:
            raise ValueError(f"{self.resource.plural} {previous.key} has changed meanwhile")
        self._commit(Change("MODIFIED", self._stored(obj, self._timeline.revision + 1), previous))
        return self._objects[previous.key]

    def delete(self, previous: StoredObject, last: Object | None = None) -> StoredObject:
        """Remove ``previous``, which must be the present state. Returns its last state under the deletion's revision.

        ``last`` is that state where it differs from ``previous``; it is taken over.
        """
        if self._objects.get(previous.key) is not previous:
            raise ValueError(f"{self.resource.plural} {previous.key} has changed meanwhile")
        revision = self._timeline.revision + 1
        gone = at_revision(previous, revision) if last is None else self._stored(last, revision)
        self._commit(Change("DELETED", gone, previous))
        return gone

    def preview(self, obj: Object, previous: StoredObject | None) -> StoredObject:
        """What a dry run shows: ``obj`` as it would be stored, under the revision of ``previous`` or under none."""
        meta = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
        if previous is not None:
            meta["resourceVersion"] = str(previous.revision)
        namespace, name = meta.get("namespace") or "", meta["name"]
        revision = previous.revision if previous is not None else 0
        key, uid, labels = storage_key(namespace, name), meta.get("uid") or "", meta.get("labels") or {}
        return StoredObject(key, revision, namespace, name, uid, labels, (), *encode_parts(meta, obj))

    def restore(self, obj: Object, revision: int) -> None:
        """Put back what a journal kept, without an event."""
        self._insert(self._stored(obj, revision))

    def _stored(self, obj: Object, revision: int) -> StoredObject:
        encoded = encode(obj, revision)
        meta = obj["metadata"]
        namespace, name = meta.get("namespace") or "", meta["name"]
        key, uid, labels = storage_key(namespace, name), meta.get("uid") or "", meta.get("labels") or {}
        return StoredObject(key, revision, namespace, name, uid, labels, self.fields.values(obj), *encoded)

    def _commit(self, change: Change) -> None:
        self._timeline.commit(self, change)
        if change.previous is not None:
            self._remove(change.previous)
        if change.type != "DELETED":
            change.current = self._insert(change.current)
        self.changed = change.revision
        self.history.append(change)

    def _insert(self, stored: StoredObject) -> StoredObject:
        stored = stored._replace(labels=self._labels.add(stored.key, stored.labels))
        self._objects[stored.key] = stored
        keys = self._keys.setdefault(stored.namespace, [])
        if not keys or stored.key > keys[-1]:
            keys.append(stored.key)
        else:
            insort(keys, stored.key)
        for position, index in self._by_field:
            index.setdefault(stored.fields[position], set()).add(stored.key)
        return stored

    def _remove(self, stored: StoredObject) -> None:
        del self._objects[stored.key]
        self._shelf.drop(stored.revision)
        self._labels.remove(stored.key, stored.labels)
        keys = self._keys[stored.namespace]
        del keys[bisect_left(keys, stored.key)]
        if not keys:
            del self._keys[stored.namespace]
        for position, index in self._by_field:
            alike = index[stored.fields[position]]
            alike.discard(stored.key)
            if not alike:
                del index[stored.fields[position]]

    def select(self, selection: Selection, *, limit: int = 0, after: str = "", revision: int | None = None) -> Page:
        """Matching objects in key order, now or as they were at ``revision`` (Gone when that is compacted)."""
        at = self._timeline.revision if revision is None else revision
        found = self._current(selection) if at >= self._timeline.revision else self._past(selection, at)
        if after:
            found = found[bisect_right(found, after, key=_by_key) :]
        if not limit or len(found) <= limit:
            return Page(found, at)
        page = found[:limit]
        remaining = len(found) - limit if selection.everything else None
        return Page(page, at, page[-1].key, remaining)

    def _current(self, selection: Selection) -> Sequence[StoredObject]:
        keys = self._candidates(selection)
        if keys is None:
            return self.everything(selection.namespace)
        found = self._in_order(keys, selection.namespace)
        if selection.fields.everything:  # the label index has matched the labels already
            return found
        matches = replace(selection, namespace="").matcher(self.fields.paths)
        return [stored for stored in found if matches(stored)]

    def _in_order(self, keys: AbstractSet[str], namespace: str) -> Sequence[StoredObject]:
        """The objects of these keys within a namespace, in key order: sorted where they are few, else picked out."""
        objects = self._objects
        if len(keys) < len(objects) // _MANY:
            return [objects[key] for key in sorted(keys) if _within(key, namespace)]
        present = self.everything(namespace)
        return present if len(keys) == len(objects) else [stored for stored in present if stored.key in keys]

    def _candidates(self, selection: Selection) -> AbstractSet[str] | None:
        """Keys among which all matches are, by the narrowest index; None when everything matches."""
        name = selection.name()
        if name is not None:
            namespaces = [selection.namespace] if selection.namespace else list(self._keys)
            return {key for space in namespaces if (key := storage_key(space, name)) in self._objects}
        for position, index in self._by_field:
            value = selection.fields.exact(self.fields.paths[position])
            if value is not None:
                return index.get(value, frozenset())
        if not selection.labels.everything:
            return self._labels.select(selection.labels.matches, selection.required_labels())
        return None if selection.fields.everything else self._objects.keys()

    def everything(self, namespace: str = "") -> Sequence[StoredObject]:
        """Every object, of one namespace or (with "") of all, in key order."""
        if namespace or not self.resource.namespaced:
            return list(map(self._objects.__getitem__, self._keys.get(namespace, ())))
        spaces = sorted(self._keys, key=lambda space: f"{space}/")
        return list(map(self._objects.__getitem__, chain.from_iterable(map(self._keys.__getitem__, spaces))))

    def _past(self, selection: Selection, revision: int) -> Sequence[StoredObject]:
        overlay = self.history.overlay(revision)
        matches = selection.matcher(self.fields.paths)
        present = [stored for stored in self._current(selection) if stored.key not in overlay]
        restored = [stored for stored in overlay.values() if stored is not None and matches(stored)]
        return sorted([*present, *restored], key=_by_key)

    def changes_since(self, revision: int) -> Sequence[Change]:
        """The changes after ``revision``. Raises Gone when some have left the history."""
        return self.history.since(revision)

    def compact(self, revision: int) -> None:
        """Forget the history up to ``revision``."""
        self.history.compact(revision)


def _within(key: str, namespace: str) -> bool:
    return not namespace or key.startswith(f"{namespace}/")
