"""The whole state of the cluster: one collection per stored resource, one sequence of revisions over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson

from apiserver.store.collection import Collection
from apiserver.store.journal import Journal, MemoryJournal, Record
from apiserver.store.objects import Change
from apiserver.store.selectable import field_table
from minikube_py.api.errors import InternalError
from minikube_py.api.resources import Resource

#: The revision of an empty store, as etcd's. 0 would read as "any revision" in a list or watch.
FIRST_REVISION = 1


class Store:
    """Collections and their common revision, which begins at ``first_revision``.

    ``on_pending`` is called, at most once until the next ``flush``, when a commit has events waiting for watchers; the
    owner then calls ``flush`` on its next tick.
    """

    def __init__(
        self,
        *,
        first_revision: int = FIRST_REVISION,
        history_size: int = 10_000,
        journal: Journal | None = None,
        on_pending: Callable[[], None] = lambda: None,
    ) -> None:
        self.revision = max(first_revision, FIRST_REVISION)
        self._history_size = history_size
        self._journal: Journal = journal or MemoryJournal()
        self._on_pending = on_pending
        self._collections: dict[tuple[str, str], Collection] = {}
        self._pending: set[Collection] = set()
        self._fault = ""
        #: Told of every commit, within it: they must neither fail nor wait.
        self.observers: list[Callable[[Resource, Change], None]] = []

    def fault(self) -> str:
        """Why the last commit failed, "" where it did not."""
        return self._fault

    def collection(self, resource: Resource) -> Collection:
        """The collection that holds objects of ``resource``; every version of a kind shares one."""
        key = (resource.group, resource.plural)
        found = self._collections.get(key)
        if found is None:
            found = Collection(resource, field_table(resource), self, history_size=self._history_size)
            found.history.compacted = self.revision
            self._collections[key] = found
        return found

    def __iter__(self) -> Iterator[Collection]:
        return iter(list(self._collections.values()))

    def recover(self) -> None:
        """Load what the journal kept, into the collections that exist by now. Called once, before anything else."""
        for record in self._journal.recover():
            self.revision = max(self.revision, record.revision)
            collection = self._collections.get((record.group, record.plural))
            if collection is not None and record.data is not None:
                collection.restore(orjson.loads(record.data), record.revision)
        for collection in self:
            collection.history.compacted = self.revision

    def commit(self, collection: Collection, change: Change) -> None:
        """Journal a change and advance the revision; its watchers are told at the next flush."""
        resource, current = collection.resource, change.current
        data = None if change.type == "DELETED" else current.data
        try:
            self._journal.append(
                Record(change.revision, resource.group, resource.plural, current.namespace, current.name, data)
            )
        except InternalError as error:
            self._fault = str(error)
            raise
        self._fault = ""
        self.revision = change.revision
        for tell in self.observers:
            tell(resource, change)
        if collection.feeds.offer(change):
            if not self._pending:
                self._on_pending()
            self._pending.add(collection)

    def flush(self) -> None:
        """Deliver all waiting events."""
        pending, self._pending = self._pending, set()
        for collection in pending:
            collection.feeds.flush()

    def bookmark(self) -> None:
        """Send a bookmark at the present revision to every watcher that wants them."""
        for collection in self:
            collection.feeds.bookmark(self.revision)

    def compact(self, revision: int) -> None:
        """Forget the history up to ``revision``."""
        for collection in self:
            collection.compact(revision)

    def end_watches(self) -> None:
        """End every watch: the server stops."""
        for collection in self:
            collection.feeds.end()

    def close(self) -> None:
        """End every watch and close the journal."""
        self.end_watches()
        self._journal.close()
