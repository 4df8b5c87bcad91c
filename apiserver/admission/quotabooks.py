"""What the objects of a namespace use, as running sums: the check of a write costs the same however many there are.

A book is opened by one count when a quota first asks, and follows every commit from then on. Commits and questions come
from the same event loop, so a book is never behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from apiserver.registry.context import Reader
from minikube_py.api.meta import metadata
from minikube_py.api.quotausage import Usage, counted_resources, matches_scopes, usage_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: Books are small; this many are only there when quotas or namespaces come and go, and then all are opened anew.
_MOST: Final = 4_096
#: Usage depends on the time for objects that are being deleted, and no such object is in a sum.
_ANY_TIME: Final = datetime.max.replace(tzinfo=UTC)

_Place = tuple[str, str]


class _Book:
    """The usage by the objects of one resource in one namespace, as far as they are in the scopes of ``quota``."""

    def __init__(self, resource: Resource, quota: Object, objects: Iterable[Object]) -> None:
        self._resource = resource
        self._quota = {"spec": {name: value for name, value in _scopes(quota).items() if value}}
        self._sum: dict[str, Decimal] = {}
        self._going: dict[str, Object] = {}
        for obj in objects:
            self.add(obj)

    def add(self, obj: Object, sign: int = 1) -> None:
        """Count an object, or with ``sign`` -1 no longer."""
        if not matches_scopes(self._quota, self._resource, obj):
            return
        meta = metadata(obj)
        if meta.get("deletionTimestamp"):
            if sign > 0:
                self._going[meta["uid"]] = obj
            else:
                self._going.pop(meta["uid"], None)
            return
        for name, amount in usage_of(self._resource, obj, _ANY_TIME).items():
            self._sum[name] = self._sum.get(name, Decimal()) + sign * amount

    def add_to(self, total: Usage, now: datetime) -> None:
        """Add the usage at a time to the names in ``total``."""
        for usage in (self._sum, *(usage_of(self._resource, obj, now) for obj in self._going.values())):
            for name, amount in usage.items():
                if name in total:
                    total[name] += amount


class QuotaBooks:
    """The books of all namespaces. ``follow`` has to hear of every commit."""

    def __init__(self) -> None:
        self._books: dict[_Place, dict[bytes, _Book]] = {}

    def used(self, quota: Object, reader: Reader, now: datetime) -> Usage:
        """What is used of every name that a quota limits."""
        hard: Mapping[str, Any] = (quota.get("spec") or {}).get("hard") or {}
        total: Usage = dict.fromkeys(hard, Decimal(0))
        for resource in counted_resources(hard):
            self._book(quota, resource, reader).add_to(total, now)
        return total

    def _book(self, quota: Object, resource: Resource, reader: Reader) -> _Book:
        namespace = str(metadata(quota).get("namespace") or "")
        scope = orjson.dumps(_scopes(quota))
        book = self._books.get((namespace, resource.group_resource), {}).get(scope)
        if book is None:
            if len(self._books) >= _MOST:
                self._books.clear()
            book = _Book(resource, quota, reader.list(resource, namespace))
            self._books.setdefault((namespace, resource.group_resource), {})[scope] = book
        return book

    def follow(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """A commit has put ``new`` (None: nothing) in the place of ``old`` (None: nothing)."""
        namespace = str(metadata(new or old or {}).get("namespace") or "")
        for book in self._books.get((namespace, resource.group_resource), {}).values():
            if old is not None:
                book.add(old, -1)
            if new is not None:
                book.add(new)


def _scopes(quota: Object) -> Object:
    spec = quota.get("spec") or {}
    return {name: spec.get(name) for name in ("scopes", "scopeSelector")}
