"""The watch stream's framing: bytes as they come off the wire in, events out. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import orjson

from minikube_py.api.errors import StatusError, from_status
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"


class WatchEvent(NamedTuple):
    """``type`` is ADDED, MODIFIED, DELETED or BOOKMARK (whose object carries only a resourceVersion)."""

    type: str
    object: Object


class WatchDecoder:
    """Cuts a stream of newline-delimited JSON into events; a chunk may hold many, or a part of one."""

    __slots__ = ("_partial",)

    def __init__(self) -> None:
        self._partial: list[bytes] = []

    @property
    def pending(self) -> bool:
        """Whether the stream stands in the middle of an event."""
        return bool(self._partial)

    def feed(self, chunk: bytes) -> Iterable[WatchEvent]:
        """The events that ``chunk`` completes.

        Raises the StatusError of an ERROR event (``Gone`` where the revision has left the history), and
        ConnectionFailed for what is no event at all.
        """
        *lines, rest = chunk.split(b"\n")
        if self._partial and lines:
            lines[0] = b"".join([*self._partial, lines[0]])
            self._partial.clear()
        if rest:
            self._partial.append(rest)
        return [_decode(line) for line in lines if line]


def _decode(line: bytes) -> WatchEvent:
    try:
        event = orjson.loads(line)
        kind, obj = event["type"], event["object"]
    except (ValueError, KeyError, TypeError):
        raise ConnectionFailed(f"the watch sent what is no event: {line[:80]!r}") from None
    if kind == ERROR:
        raise _error(obj)
    return WatchEvent(kind, obj)


def _error(status: Object) -> StatusError:
    if not isinstance(status, dict):
        raise ConnectionFailed("the watch ended with an unreadable error")
    return from_status(status)
