"""What the store keeps of an object: its encoded bytes and the few values that lists and watches select by.

Bytes rather than parsed objects, because nobody can change them by accident, they go to clients as they are, and a
hundred thousand of them cost the garbage collector nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

from minikube_py.api.types import Object

_METADATA = b'{"metadata":'
_NOT_IN_REST = frozenset({"kind", "apiVersion", "metadata"})

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class StoredObject(NamedTuple):
    """One version of one object. ``data`` is its JSON without ``kind`` and ``apiVersion``, as typed lists show items.

    Its metadata comes first and goes up to ``metadata_end``, so that it can be shown without looking at the rest.
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
    metadata_end: int

    @property
    def metadata(self) -> bytes:
        """The JSON of the metadata alone."""
        return self.data[len(_METADATA) : self.metadata_end]

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


class Encoded(NamedTuple):
    """An object's stored bytes, which begin with its metadata, and where within them the metadata ends."""

    data: bytes
    metadata_end: int


def encode(obj: Object, revision: int) -> Encoded:
    """The stored bytes of ``obj`` at ``revision``. Writes metadata.resourceVersion into ``obj``."""
    obj["metadata"]["resourceVersion"] = str(revision)
    return encode_parts(obj["metadata"], obj)


def encode_parts(metadata: Mapping[str, Any], obj: Object) -> Encoded:
    """``obj`` with this metadata. Joined, because what orjson returns keeps the whole buffer that it was written in."""
    head = orjson.dumps(metadata)
    rest = orjson.dumps({name: value for name, value in obj.items() if name not in _NOT_IN_REST})
    data = b'{"metadata":%b%b%b' % (head, b"," if len(rest) > 2 else b"", rest[1:])
    return Encoded(data, len(_METADATA) + len(head))


def at_revision(stored: StoredObject, revision: int) -> StoredObject:
    """The same state under another revision, as a deletion or a left selector shows it."""
    data, metadata_end = encode(stored.load(), revision)
    return stored._replace(revision=revision, data=data, metadata_end=metadata_end)
