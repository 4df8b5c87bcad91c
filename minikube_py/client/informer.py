"""A live copy of one resource: list, then watch, for ever.

The promise to subscribers: every object's last state arrives, in the order of the server's revisions per object,
however often the connection breaks, the history is compacted or the server starts over. Intermediate states may be
skipped (a relist compares what was with what is); a missed deletion is made up for.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import NamedTuple

from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import StatusError
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.cache import Cache, Change, Indexer
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import PAGE_SIZE, WATCH_SECONDS, Client
from minikube_py.client.watch import BOOKMARK, DELETED, WatchEvent

_log = logging.getLogger(__name__)

#: Called on the loop after the cache is up to date: (None, new), (old, new) or (old, None).
Handler = Callable[[Object | None, Object | None], None]

_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 5.0
#: A watch that ends in good order sooner than this, and without an event, is no watch: come back later.
_SHORT_WATCH_SECONDS = 1.0


class Scope(NamedTuple):
    """Which objects an informer follows."""

    resource: Resource
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""


class Informer:
    """Follows the objects of one scope. Objects it gives out are shared: never change them in place."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Indexer] | None = None,
        tasks: TaskSet,
        clock: Clock,
    ) -> None:
        self.scope = Scope(resource, namespace, label_selector, field_selector)
        self._client = client
        self._tasks = tasks
        self._clock = clock
        self._cache = Cache(indexers or {})
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS, jitter=0.5)
        #: The revision up to which everything is known; "" before the first list and when a new one is due.
        self.resource_version = ""

    def start(self) -> None:
        """Begin to follow. A second call does nothing."""
        if self._task is None:
            self._task = self._tasks.spawn(self._run(), name=f"informer {self.scope.resource.group_resource}")

    async def stop(self) -> None:
        """Stop following; what is known stays readable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def synced(self) -> bool:
        """Whether the first list has come in whole and its handlers have been called."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once ``synced``."""
        await self._synced.wait()

    def get(self, namespace: str | None, name: str) -> Object | None:
        """The object of this name, as far as it is known."""
        return self._cache.get(ObjectKey(namespace or "", name))

    def list(self, namespace: str | None = None) -> list[Object]:
        """All known objects (of a namespace)."""
        if namespace is None:
            return list(self._cache.objects())
        return [obj for obj in self._cache.objects() if obj["metadata"].get("namespace") == namespace]

    def by_index(self, index: str, value: str) -> Objects:
        """The known objects that the indexer ``index`` puts under ``value``. Raises KeyError for an unknown index."""
        return self._cache.by_index(index, value)

    def add_index(self, name: str, indexer: Indexer) -> None:
        """Declare one more index, at any time. Raises ValueError where the name means another one already."""
        self._cache.add_index(name, indexer)

    def subscribe(self, handler: Handler) -> Callable[[], None]:
        """Call ``handler`` for each change from now on, and at once for each object already known.

        Handlers are called in the order of their subscription and must be quick; one that raises is logged and goes
        on being called. The return value ends the subscription.
        """
        for obj in list(self._cache.objects()):
            _call(handler, None, obj)
        self._handlers.append(handler)

        def unsubscribe() -> None:
            if handler in self._handlers:
                self._handlers.remove(handler)

        return unsubscribe

    async def _run(self) -> None:
        while True:
            try:
                if not self.resource_version:
                    await self._list()
                if await self._watch():
                    continue  # the server ended the stream in good order: go on from where it stood
            except ConnectionFailed as error:
                # What breaks off may come back with another memory, in which our revision means something else.
                self.resource_version = ""
                _log.info("informer of %s: %s", self.scope.resource.group_resource, error)
            except StatusError as error:
                self.resource_version = ""
                level = logging.INFO if error.status_code in (410, 504) else logging.WARNING
                _log.log(level, "informer of %s: %s", self.scope.resource.group_resource, error)
            await self._clock.sleep(self._backoff.next())

    async def _list(self) -> None:
        scope = self.scope
        found = await self._client.list(
            scope.resource,
            scope.namespace,
            label_selector=scope.label_selector,
            field_selector=scope.field_selector,
            limit=PAGE_SIZE,
        )
        self._announce(self._cache.replace(_slim(found.items)))
        self.resource_version = found.resource_version
        self._synced.set()

    async def _watch(self) -> bool:
        """Follow the stream to its end. False where that came suspiciously soon."""
        scope, started, events_seen = self.scope, self._clock.monotonic(), False
        stream = self._client.watch(
            scope.resource,
            scope.namespace,
            resource_version=self.resource_version,
            label_selector=scope.label_selector,
            field_selector=scope.field_selector,
            timeout_seconds=WATCH_SECONDS + random.randrange(WATCH_SECONDS),
        )
        async with aclosing(stream) as events:
            async for event in events:
                self._take(event)
                events_seen = True
                self._backoff.reset()
        return events_seen or self._clock.monotonic() - started >= _SHORT_WATCH_SECONDS

    def _take(self, event: WatchEvent) -> None:
        kind, obj = event
        if kind == DELETED:
            self._announce(self._cache.remove(obj))
        elif kind != BOOKMARK:
            obj["metadata"].pop("managedFields", None)
            self._announce(self._cache.put(obj))
        self.resource_version = obj["metadata"]["resourceVersion"]

    def _announce(self, changes: Iterator[Change]) -> None:
        for old, new in changes:
            for handler in tuple(self._handlers):
                _call(handler, old, new)


#: ``list[Object]`` where a method named ``list`` hides the type.
Objects = list[Object]


def _call(handler: Handler, old: Object | None, new: Object | None) -> None:
    try:
        handler(old, new)
    except Exception:
        _log.exception("an informer's handler failed")


def _slim(objects: Iterable[Object]) -> Iterator[Object]:
    """Without managedFields: half of a small object's memory, and of use to nobody but the server."""
    for obj in objects:
        obj["metadata"].pop("managedFields", None)
        yield obj
