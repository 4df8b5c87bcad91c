"""How stored objects look on the wire: whole, as metadata only, or as rows of a Table.

Answers are spliced from stored bytes; a form parses an object only where it must compute something from it.
Forms compare by what they show, so that watchers of the same form share encodings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import orjson

from apiserver.registry.table import Table
from apiserver.store.objects import EventType, StoredObject
from minikube_py.api.resources import Resource

#: Gives the JSON of an object without kind and apiVersion, in the version asked for.
View = Callable[[StoredObject], bytes]

_NO_COLUMNS = b'"columnDefinitions":null'
_HEADLESS = b'"metadata":%b,' + _NO_COLUMNS + b',"rows":['

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class WireForm(Protocol):
    """One way to show the objects of one resource."""

    @property
    def stream_type(self) -> bytes:
        """The content type of a watch."""
        ...

    def frame(self, kind: str, body: bytes) -> bytes:
        """A watch event around an object that is given in JSON."""
        ...

    def object(self, stored: StoredObject) -> bytes:
        """An object on its own."""
        ...

    def item(self, stored: StoredObject) -> bytes:
        """An object within a list."""
        ...

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        """A watch event."""
        ...

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A BOOKMARK event; ``initial_end`` marks the end of a streaming list (KEP-3157)."""
        ...

    def opening(self, events: bytes) -> bytes:
        """The first events of a watch, which may have to say more than those that follow."""
        ...


class JSONForm(WireForm, Protocol):
    """A form in JSON: lists are spliced from items."""

    def list_head(self, metadata: bytes) -> bytes:
        """A list up to its first item. ``metadata`` is the encoded list metadata; ``]}`` ends the list."""
        ...


class _JSONStream:
    """Watches in JSON, an event a line."""

    __slots__ = ()

    @property
    def stream_type(self) -> bytes:
        return b"application/json"

    def frame(self, kind: str, body: bytes) -> bytes:
        return encode_event(kind, body)


def stored_view(stored: StoredObject) -> bytes:
    """The view of the storage version: the stored bytes themselves."""
    return stored.data


@lru_cache(maxsize=1024)
def type_prefix(kind: str, api_version: str) -> bytes:
    """``{"kind":…,"apiVersion":…,``: to be followed by an object's bytes without their opening brace."""
    return orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1] + b","


def encode_event(kind: str, obj: bytes) -> bytes:
    """One line of a watch stream."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), obj)


def _bookmark_metadata(revision: int, initial_end: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if initial_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return metadata


@dataclass(frozen=True, slots=True)
class PlainForm(_JSONStream):
    """Whole objects. ``selects`` keeps forms of different versions of one kind apart."""

    resource: Resource
    view: View = field(default=stored_view, compare=False)
    _prefix: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prefix", type_prefix(self.resource.kind, self.resource.api_version))

    def object(self, stored: StoredObject) -> bytes:
        return self._prefix + self.view(stored)[1:]

    def item(self, stored: StoredObject) -> bytes:
        return self.view(stored)

    def list_head(self, metadata: bytes) -> bytes:
        return type_prefix(self.resource.list_kind, self.resource.api_version) + b'"metadata":%b,"items":[' % metadata

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        return encode_event(kind, self.object(stored))

    @property
    def kind(self) -> str:
        return self.resource.kind

    @property
    def list_kind(self) -> str:
        return self.resource.list_kind

    @property
    def api_version(self) -> str:
        return self.resource.api_version

    def bookmark_object(self, revision: int, *, initial_end: bool = False) -> bytes:
        """What a BOOKMARK event carries: an object that says nothing but its revision."""
        return self._prefix + orjson.dumps({"metadata": _bookmark_metadata(revision, initial_end)})[1:]

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        return encode_event("BOOKMARK", self.bookmark_object(revision, initial_end=initial_end))

    def opening(self, events: bytes) -> bytes:
        return events


@dataclass(frozen=True, slots=True)
class PartialForm(_JSONStream):
    """``meta.k8s.io`` PartialObjectMetadata: an object's metadata and nothing else."""

    resource: Resource
    version: str = "v1"

    @property
    def kind(self) -> str:
        return "PartialObjectMetadata"

    @property
    def list_kind(self) -> str:
        return "PartialObjectMetadataList"

    @property
    def api_version(self) -> str:
        return f"meta.k8s.io/{self.version}"

    def object(self, stored: StoredObject) -> bytes:
        return partial_object(stored, self.api_version)

    def item(self, stored: StoredObject) -> bytes:
        return self.object(stored)

    def list_head(self, metadata: bytes) -> bytes:
        return type_prefix(self.list_kind, self.api_version) + b'"metadata":%b,"items":[' % metadata

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        return encode_event(kind, self.object(stored))

    def bookmark_object(self, revision: int, *, initial_end: bool = False) -> bytes:
        """What a BOOKMARK event carries: an object that says nothing but its revision."""
        body = orjson.dumps({"metadata": _bookmark_metadata(revision, initial_end)})
        return type_prefix(self.kind, self.api_version) + body[1:]

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        return encode_event("BOOKMARK", self.bookmark_object(revision, initial_end=initial_end))

    def opening(self, events: bytes) -> bytes:
        return events


def partial_object(stored: StoredObject, api_version: str) -> bytes:
    """An object's metadata as a PartialObjectMetadata."""
    return b'%b"metadata":%b}' % (type_prefix("PartialObjectMetadata", api_version), stored.metadata)


@dataclass(frozen=True, slots=True)
class TableForm(_JSONStream):
    """``meta.k8s.io`` Table: the columns people see. ``include`` is the query's includeObject."""

    resource: Resource
    version: str
    include: str
    table: Table = field(compare=False)
    now: Callable[[], datetime] = field(compare=False)
    view: View = field(default=stored_view, compare=False)

    @property
    def _prefix(self) -> bytes:
        return type_prefix("Table", f"meta.k8s.io/{self.version}")

    @property
    def _columns(self) -> bytes:
        return orjson.dumps([column.to_json() for column in self.table.columns])

    def object(self, stored: StoredObject) -> bytes:
        head = self.list_head(orjson.dumps({"resourceVersion": str(stored.revision)}))
        return head + self.item(stored) + b"]}"

    def item(self, stored: StoredObject) -> bytes:
        cells = orjson.dumps(self.table.row(stored.load(), self.now()), default=str)
        return b'{"cells":%b,"object":%b}' % (cells, self._row_object(stored))

    def _row_object(self, stored: StoredObject) -> bytes:
        if self.include == "Object":
            return type_prefix(self.resource.kind, self.resource.api_version) + self.view(stored)[1:]
        if self.include == "None":
            return b"null"
        return partial_object(stored, f"meta.k8s.io/{self.version}")

    def list_head(self, metadata: bytes) -> bytes:
        return self._prefix + b'"metadata":%b,"columnDefinitions":%b,"rows":[' % (metadata, self._columns)

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        head = self._prefix + _HEADLESS % orjson.dumps({"resourceVersion": str(stored.revision)})
        return encode_event(kind, head + self.item(stored) + b"]}")

    def opening(self, events: bytes) -> bytes:
        """Only the first event of a watch describes the columns."""
        return events.replace(_NO_COLUMNS, b'"columnDefinitions":' + self._columns, 1)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A Table without rows cannot carry the annotation: it goes into a row's object, as upstream's does."""
        metadata = _bookmark_metadata(revision, initial_end)
        holder = (self.resource.kind, self.resource.api_version)
        if self.include != "Object":
            holder = ("PartialObjectMetadata", f"meta.k8s.io/{self.version}")
        row = {"cells": [], "object": {"kind": holder[0], "apiVersion": holder[1], "metadata": metadata}}
        head = self._prefix + _HEADLESS % orjson.dumps({"resourceVersion": str(revision)})
        return encode_event("BOOKMARK", head + orjson.dumps(row) + b"]}")
