"""Lists and watches in protobuf. The form wraps the JSON one, whose choice of what to show it follows.

Framing: ``apimachinery/pkg/runtime/serializer/protobuf`` (an envelope around every object) and ``.../streaming`` with
its length-delimited frames, each a ``meta.k8s.io`` WatchEvent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from apiserver.routes.forms import PartialForm, PlainForm, stored_view
from apiserver.routes.negotiation import PROTOBUF
from apiserver.schema.messages import Messages
from apiserver.schema.protobuf import MAGIC
from apiserver.schema.protowire import bytes_field, varint
from apiserver.store.objects import EventType, StoredObject

PROTOBUF_TYPE = PROTOBUF.encode()
#: The end of an envelope: no encoding, no content type.
_CLOSED = bytes_field(3, b"") + bytes_field(4, b"")

#: Where encodings of stored objects are kept: ``Collection.encoded``.
Encoded = Callable[[StoredObject, Callable[[StoredObject], bytes]], bytes]


@dataclass(frozen=True, slots=True)
class ProtobufForm:
    """``inner`` in protobuf. Equal forms share encodings, as those of JSON do."""

    inner: PlainForm | PartialForm
    messages: Messages = field(compare=False, repr=False)
    encoded: Encoded = field(compare=False, repr=False)

    @property
    def stream_type(self) -> bytes:
        return PROTOBUF_TYPE + b";stream=watch"

    def object(self, stored: StoredObject) -> bytes:
        """An object on its own. An envelope has it in the same field as a list, so that both share what is kept."""
        return self._opened(self.inner.kind) + self.item(stored) + _CLOSED

    def _opened(self, kind: str) -> bytes:
        """An envelope up to its content."""
        version = bytes_field(1, self.inner.api_version.encode())
        return MAGIC + bytes_field(1, version + bytes_field(2, kind.encode()))

    def _message(self, stored: StoredObject) -> bytes:
        inner = self.inner
        if isinstance(inner, PartialForm):
            return self.messages.message(self.messages.partial, inner.object(stored))
        return self.messages.message(self.messages.of_resource(inner.resource), inner.view(stored))

    def item(self, stored: StoredObject) -> bytes:
        """An object within a list: one of the list's ``items``. Those of stored objects are kept beside them."""
        if isinstance(self.inner, PlainForm) and self.inner.view is stored_view:
            return self.encoded(stored, self._item)
        return self._item(stored)

    def _item(self, stored: StoredObject) -> bytes:
        return bytes_field(2, self._message(stored))

    def list_pieces(self, metadata: bytes, items: Iterable[bytes], size: int) -> Iterable[bytes]:
        """A list in pieces. ``items`` are ``size`` bytes together: an envelope says its length first."""
        inner, head = self.inner, self.messages.list_metadata(metadata)
        yield self._opened(inner.list_kind) + b"\x12" + varint(len(head) + size) + head
        yield from items
        yield _CLOSED

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        """A watch event."""
        return _frame(kind, self.object(stored))

    def frame(self, kind: str, body: bytes) -> bytes:
        """A watch event around an object in JSON, a Status for one."""
        return _frame(kind, self.messages.seal(body) or b"")

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A BOOKMARK event."""
        return self.frame("BOOKMARK", self.inner.bookmark_object(revision, initial_end=initial_end))

    def opening(self, events: bytes) -> bytes:
        """The first events are like all others."""
        return events


def _frame(kind: str, envelope: bytes) -> bytes:
    event = bytes_field(1, kind.encode()) + bytes_field(2, bytes_field(1, envelope))
    return len(event).to_bytes(4, "big") + event
