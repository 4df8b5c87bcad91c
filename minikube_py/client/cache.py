"""What an informer knows: the objects, their indexes, and what a new list means compared with the old. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from minikube_py.api.meta import key_of
from minikube_py.api.types import Object, ObjectKey

#: Gives the values under which an object is found in an index.
Indexer = Callable[[Object], Iterable[str]]


class Change(NamedTuple):
    """An object came (``old`` None), went (``new`` None) or changed."""

    old: Object | None
    new: Object | None


class Cache:
    """Objects by key and by index. A change is made whole before anyone hears of it."""

    def __init__(self, indexers: Mapping[str, Indexer]) -> None:
        self._objects: dict[ObjectKey, Object] = {}
        self._indexers: dict[str, Indexer] = {}
        self._indexes: dict[str, dict[str, dict[ObjectKey, Object]]] = {}
        for name, indexer in indexers.items():
            self.add_index(name, indexer)

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: ObjectKey) -> Object | None:
        return self._objects.get(key)

    def objects(self) -> Iterable[Object]:
        """All objects, in the order in which they came."""
        return self._objects.values()

    def by_index(self, index: str, value: str) -> list[Object]:
        """The objects under ``value``. Raises KeyError for an index that was never declared."""
        return list(self._indexes[index].get(value, {}).values())

    def add_index(self, name: str, indexer: Indexer) -> None:
        """Declare an index; objects already here enter it. Raises ValueError where the name means another one."""
        if self._indexers.get(name, indexer) is not indexer:
            raise ValueError(f"there is another index named {name!r}")
        self._indexers[name] = indexer
        index: dict[str, dict[ObjectKey, Object]] = {}
        self._indexes[name] = index
        for key, obj in self._objects.items():
            for value in indexer(obj):
                index.setdefault(value, {})[key] = obj

    def put(self, obj: Object) -> Iterator[Change]:
        """Take in an object; yields each change after it is made.

        Nothing where this revision (or a later one) is known already. Another object under the same name is a
        deletion and an addition.
        """
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and not _same(old, obj):
            self._take_out(key, old)
            yield Change(old, None)
            old = None
        if old is None or _newer(obj, old):
            self._set(key, old, obj)
            yield Change(old, obj)

    def remove(self, obj: Object) -> Iterator[Change]:
        """An object is gone; ``obj`` is its last state. Nothing where it is unknown or another one by now."""
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and (_same(old, obj) or _newer(obj, old)):
            self._take_out(key, old)
            yield Change(old, None)

    def replace(self, objects: Iterable[Object]) -> Iterator[Change]:
        """Become exactly ``objects``: what is missing goes first, then what is new or different comes.

        Revisions are compared for equality only: a server that lost its memory may count from the start again.
        """
        wanted = {key_of(obj): obj for obj in objects}
        for key, old in list(self._objects.items()):
            new = wanted.get(key)
            if new is None or not _same(old, new):
                self._take_out(key, old)
                yield Change(old, None)
        for key, new in wanted.items():
            before = self._objects.get(key)
            if before is None or _revision(before) != _revision(new):
                self._set(key, before, new)
                yield Change(before, new)

    def _set(self, key: ObjectKey, old: Object | None, new: Object) -> None:
        self._objects[key] = new
        for name, indexer in self._indexers.items():
            index, values = self._indexes[name], list(indexer(new))
            if old is not None and (before := list(indexer(old))) != values:
                _withdraw(index, before, key)
            for value in values:
                index.setdefault(value, {})[key] = new

    def _take_out(self, key: ObjectKey, old: Object) -> None:
        del self._objects[key]
        for name, indexer in self._indexers.items():
            _withdraw(self._indexes[name], indexer(old), key)


def _withdraw(index: dict[str, dict[ObjectKey, Object]], values: Iterable[str], key: ObjectKey) -> None:
    for value in values:
        found = index.get(value)
        if found is not None:
            found.pop(key, None)
            if not found:
                del index[value]


def _revision(obj: Object) -> str:
    return obj["metadata"].get("resourceVersion") or ""


def _same(old: Object, new: Object) -> bool:
    """Whether both are states of one object, rather than two objects of one name."""
    return bool(old["metadata"].get("uid") == new["metadata"].get("uid"))


def _newer(new: Object, old: Object) -> bool:
    """Revisions of one resource are comparable numbers (KEP-5504); anything else is taken as newer when different."""
    after, before = _revision(new), _revision(old)
    return int(after) > int(before) if after.isdigit() and before.isdigit() else after != before
