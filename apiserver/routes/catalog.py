"""Every served resource, found by its path: the table of kinds joined with the store, the strategies and the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from apiserver.registry.catalog import Dependencies, strategy_for
from apiserver.registry.strategy import Strategy
from apiserver.routes.conversion import conversion_of
from apiserver.routes.served import Served
from apiserver.schema.messages import Messages
from apiserver.store.objects import StoredObject
from apiserver.store.store import Store
from minikube_py.api.resources import Resource, ResourceTable
from minikube_py.api.types import Object


class Catalog:
    """Served resources by group, version and plural. Versions of one kind share a collection and a strategy."""

    def __init__(
        self,
        table: ResourceTable,
        *,
        store: Store,
        deps: Dependencies,
        now: Callable[[], datetime],
        messages: Messages,
    ) -> None:
        self.table = table
        self._messages = messages
        self._store = store
        self._deps = deps
        self._now = now
        self._strategies: dict[tuple[str, str], Strategy] = {}
        self._served: dict[tuple[str, str, str], Served] = {}
        for resource in table.all():
            if resource.stored:
                self._served[(resource.group, resource.version, resource.plural)] = self._serve(resource)

    def _serve(self, resource: Resource) -> Served:
        conversion = conversion_of(resource)
        storage = conversion.storage if conversion is not None else resource
        ruled = resource if resource.group != storage.group else storage  # another group may have rules of its own
        key = (ruled.group, ruled.plural)
        strategy = self._strategies.get(key)
        if strategy is None:
            strategy = self._strategies[key] = strategy_for(ruled, self._deps)
        return Served(resource, self._store.collection(storage), strategy, self._now, self._messages, conversion)

    def find(self, group: str, version: str, plural: str) -> Served | None:
        """The served resource under this path, None for one that is not stored or not there."""
        return self._served.get((group, version, plural))

    def of(self, resource: Resource) -> Served:
        """The served form of a built-in resource. Raises KeyError for one that is not stored."""
        return self._served[(resource.group, resource.version, resource.plural)]

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())


#: Parsed objects that a reader keeps: namespaces and accounts are asked for by every write.
_MOST_PARSED = 1_024


class StoreReader:
    """The strategies' and plugins' narrow view of the store. What was parsed once is shared until it changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parsed: dict[tuple[str, str, str], tuple[int, Object]] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """See ``registry.context.Reader``."""
        stored = self._store.collection(resource).get(namespace, name)
        if stored is None:
            return None
        return self._shared(resource, stored)

    def _shared(self, resource: Resource, stored: StoredObject) -> Object:
        key = (resource.group, resource.plural, stored.key)
        known = self._parsed.get(key)
        if known is None or known[0] != stored.revision:
            if len(self._parsed) >= _MOST_PARSED:
                self._parsed.clear()
            kind = {"kind": resource.kind, "apiVersion": resource.api_version}
            known = self._parsed[key] = (stored.revision, kind | stored.load())
        return known[1]

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        """See ``registry.context.Reader``."""
        return [self._shared(resource, stored) for stored in self._store.collection(resource).everything(namespace)]
