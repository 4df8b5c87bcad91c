"""Watch fan-out: every change is filtered once per distinct filter and encoded once per form, however many watch.

Watchers with the same selection and form share a *feed*. A commit only queues the change; ``flush``, called once per
tick of the event loop, turns what is queued into one chunk per feed and hands that same chunk to all its watchers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from apiserver.store.objects import Change, EventType, StoredObject, at_revision
from apiserver.store.selection import Selection


class Form(Protocol):
    """How events look on the wire. Hashable; equal forms share encodings."""

    def event(self, kind: EventType, stored: StoredObject) -> bytes:
        """One encoded watch event."""
        ...

    def bookmark(self, revision: int) -> bytes:
        """An encoded BOOKMARK event."""
        ...


class Watcher(Protocol):
    """The receiving end of one watch. Neither method may raise or block."""

    wants_bookmarks: bool

    def deliver(self, chunk: bytes) -> None:
        """Events in order, encoded. A watcher that cannot keep up ends itself; it never skips."""
        ...

    def end(self) -> None:
        """The server stops: end the stream."""
        ...


class Feed:
    """The watchers that share one selection and form."""

    def __init__(self, selection: Selection, form: Form, paths: tuple[str, ...]) -> None:
        self.form = form
        self.watchers: set[Watcher] = set()
        self._matches = selection.matcher(paths)

    def encode(self, changes: Iterable[Change]) -> bytes:
        """The events that ``changes`` are to this feed's watchers, b"" when they concern none of them."""
        parts = [event for change in changes if (event := self._event(change))]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _event(self, change: Change) -> bytes | None:
        """An object that enters the selection is ADDED, one that leaves it DELETED in its previous state."""
        kind, shown = self._seen(change)
        if kind is None:
            return None
        slot = (kind, self.form)
        encoded = change.encodings.get(slot)
        if encoded is None:
            if shown is not change.current:
                shown = at_revision(shown, change.revision)
            encoded = change.encodings[slot] = self.form.event(kind, shown)
        return encoded

    def _seen(self, change: Change) -> tuple[EventType | None, StoredObject]:
        matches, previous = self._matches, change.previous
        if change.type == "DELETED":
            return ("DELETED" if matches(change.current) else None), change.current
        before = previous is not None and matches(previous)
        if matches(change.current):
            return ("MODIFIED" if before else "ADDED"), change.current
        if before and previous is not None:
            return "DELETED", previous
        return None, change.current


class Feeds:
    """All watches of one collection."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._feeds: dict[tuple[Selection, Form], Feed] = {}
        self._pending: list[Change] = []

    def __len__(self) -> int:
        return sum(len(feed.watchers) for feed in self._feeds.values())

    def offer(self, change: Change) -> bool:
        """Queue a change for the next flush; whether anybody is there to read it."""
        if not self._feeds:
            return False
        self._pending.append(change)
        return True

    def flush(self) -> None:
        """Deliver what is queued."""
        changes, self._pending = self._pending, []
        if not changes:
            return
        for feed in list(self._feeds.values()):
            if chunk := feed.encode(changes):
                for watcher in list(feed.watchers):
                    watcher.deliver(chunk)
        for change in changes:
            change.encodings.clear()

    def replay(self, selection: Selection, form: Form, changes: Sequence[Change]) -> bytes:
        """What past ``changes`` would have been to a watcher that was there."""
        self.flush()
        chunk = Feed(selection, form, self._paths).encode(changes)
        for change in changes:
            change.encodings.clear()
        return chunk

    def join(self, selection: Selection, form: Form, watcher: Watcher) -> None:
        """Deliver every change from now on. Flushes first, so that nothing older reaches the newcomer."""
        self.flush()
        key = (selection, form)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(selection, form, self._paths)
        feed.watchers.add(watcher)

    def leave(self, selection: Selection, form: Form, watcher: Watcher) -> None:
        """Stop delivering. Harmless when it has left already."""
        feed = self._feeds.get((selection, form))
        if feed is None:
            return
        feed.watchers.discard(watcher)
        if not feed.watchers:
            del self._feeds[(selection, form)]

    def bookmark(self, revision: int) -> None:
        """Tell watchers that asked for bookmarks how far they have read."""
        self.flush()
        for feed in list(self._feeds.values()):
            chunk = b""
            for watcher in [each for each in feed.watchers if each.wants_bookmarks]:
                chunk = chunk or feed.form.bookmark(revision)
                watcher.deliver(chunk)

    def end(self) -> None:
        """End every watch."""
        self.flush()
        for feed in list(self._feeds.values()):
            for watcher in list(feed.watchers):
                watcher.end()
