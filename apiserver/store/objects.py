"""What the store keeps of an object: its encoded bytes and the few values that lists and watches select by.

Bytes rather than parsed objects, because nobody can change them by accident, they go to clients as they are, and a
hundred thousand of them cost the garbage collector nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import orjson

from minikube_py.api.types import Object

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class StoredObject(NamedTuple):
    """One version of one object. ``data`` is its JSON without ``kind`` and ``apiVersion``, as typed lists show items.

    ``fields`` holds the values of its resource's selectable fields, in the order of ``selectable.FieldTable.paths``.
    """

    key: str
    revision: int
    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    fields: tuple[str, ...]
    data: bytes

    def load(self) -> Object:
        """A fresh parsed copy, without ``kind`` and ``apiVersion``."""
        body: Object = orjson.loads(self.data)
        return body


class Change:
    """One committed write. ``current`` of a deletion is the last state, carrying the revision of the deletion.

    ``encodings`` lets every watcher share one encoding of the change; it is emptied once all have been served.
    """

    __slots__ = ("current", "encodings", "previous", "revision", "type")

    def __init__(self, kind: EventType, current: StoredObject, previous: StoredObject | None) -> None:
        self.type: EventType = kind
        self.revision = current.revision
        self.current = current
        self.previous = previous
        self.encodings: dict[tuple[str, object], bytes] = {}


def storage_key(namespace: str, name: str) -> str:
    """The key by which a collection orders its objects: byte order of ``namespace/name``, as in etcd."""
    return f"{namespace}/{name}" if namespace else name


def encode(obj: Object, revision: int) -> bytes:
    """The stored bytes of ``obj`` at ``revision``. Writes metadata.resourceVersion into ``obj``."""
    obj["metadata"]["resourceVersion"] = str(revision)
    return compact(orjson.dumps({name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}))


def compact(data: bytes) -> bytes:
    """``data`` in no more memory than it needs: what orjson returns keeps the whole buffer that it was written in."""
    return bytes(memoryview(data))


def at_revision(stored: StoredObject, revision: int) -> StoredObject:
    """The same state under another revision, as a deletion or a left selector shows it."""
    return stored._replace(revision=revision, data=encode(stored.load(), revision))
