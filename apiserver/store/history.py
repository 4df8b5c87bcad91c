"""The changes of one collection that can still be replayed, and its state at a past revision.

Bounded: the oldest changes leave, and whoever asks for what has left is told so (410 Gone). Revisions are searched by
bisection; list offsets mean nothing once compaction has moved them.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from apiserver.store.objects import Change, StoredObject
from minikube_py.api.errors import Gone

_by_revision = attrgetter("revision")


class History:
    """The last ``limit`` changes. ``compacted`` is the newest revision whose change is no longer here.

    Reads of the past end with compaction, as etcd's do; watches may go on from any revision after which every change
    is here, as they may from upstream's watch cache.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changes: list[Change] = []
        self.compacted = 0
        self._readable = 0

    def append(self, change: Change) -> None:
        """Remember a change, newer than all before."""
        self._changes.append(change)
        # Trimming a quarter at a time keeps the cost of moving the list off the single write.
        if len(self._changes) > self._limit + self._limit // 4:
            self._drop(len(self._changes) - self._limit)

    def compact(self, revision: int) -> None:
        """Forget every change up to and including ``revision``, and what was before it."""
        self._readable = max(self._readable, revision)
        self._drop(bisect_right(self._changes, revision, key=_by_revision))

    def since(self, revision: int) -> list[Change]:
        """The changes after ``revision``, oldest first. Raises Gone when some of them have left."""
        if revision < self.compacted:
            raise _too_old(revision, self.compacted)
        return self._changes[bisect_right(self._changes, revision, key=_by_revision) :]

    def overlay(self, revision: int) -> dict[str, StoredObject | None]:
        """For every key changed after ``revision``: what it was then (None: not there). Raises Gone."""
        if revision < self._readable:
            raise _too_old(revision, self._readable)
        before: dict[str, StoredObject | None] = {}
        for change in self.since(revision):
            before.setdefault(change.current.key, change.previous)
        return before

    def _drop(self, count: int) -> None:
        if count > 0:
            self.compacted = self._changes[count - 1].revision
            del self._changes[:count]


def _too_old(revision: int, oldest: int) -> Gone:
    return Gone(f"too old resource version: {revision} ({oldest})")
