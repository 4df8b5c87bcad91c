"""A registry without a server: the write path of one kind, on dictionaries."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from apiserver.registry.catalog import Dependencies, strategy_for
from apiserver.registry.context import RequestContext
from apiserver.registry.core.service.allocators import ServiceAllocators
from apiserver.registry.strategy import before_create, before_update
from minikube_py.api.errors import Invalid
from minikube_py.api.resources import Resource
from minikube_py.config.parts import Network

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Object = dict[str, Any]


class Registry:
    """Creates, updates and deletes objects as the routes do, keeping nothing but the allocators' books."""

    def __init__(self, network: Network) -> None:
        self.deps = Dependencies(services=ServiceAllocators.from_network(network, Random(7)))
        self.warnings: list[str] = []
        self._revision = 0

    def create(self, resource: Resource, obj: Object, *, namespace: str = "default", dry_run: bool = False) -> Object:
        created = copy.deepcopy(obj)
        created.setdefault("apiVersion", resource.api_version)
        created.setdefault("kind", resource.kind)
        strategy = strategy_for(resource, self.deps)
        strategy.default(created)
        self.warnings = before_create(strategy, created, self._context(resource, namespace, dry_run=dry_run))
        self._revision += 1
        created["metadata"]["resourceVersion"] = str(self._revision)
        if not dry_run:
            strategy.committed(None, created)
        return created

    def update(self, resource: Resource, new: Object, old: Object, *, subresource: str = "") -> Object:
        changed, before = copy.deepcopy(new), copy.deepcopy(old)
        strategy = strategy_for(resource, self.deps)
        strategy.default(changed)
        namespace = old["metadata"].get("namespace", "")
        context = self._context(resource, namespace, subresource=subresource)
        self.warnings = before_update(strategy, changed, before, context)
        assert before == old, "an update changed the stored object"
        if not subresource:
            strategy.committed(before, changed)
        return changed

    def delete(self, resource: Resource, obj: Object) -> None:
        strategy_for(resource, self.deps).committed(obj, None)

    def cells(self, resource: Resource, obj: Object) -> dict[str, Any]:
        table = strategy_for(resource, self.deps).table
        row = table.row(obj, NOW)
        assert len(row) == len(table.columns)
        return dict(zip((column.name for column in table.columns), row, strict=True))

    def refused(self, resource: Resource, obj: Object, **kwargs: Any) -> list[str]:
        """What is said of an object that is not taken, one text per cause."""
        with pytest.raises(Invalid) as caught:
            self.create(resource, obj, **kwargs)
        return texts(caught.value)

    def update_refused(self, resource: Resource, new: Object, old: Object, **kwargs: Any) -> list[str]:
        with pytest.raises(Invalid) as caught:
            self.update(resource, new, old, **kwargs)
        return texts(caught.value)

    def _context(self, resource: Resource, namespace: str, **kwargs: Any) -> RequestContext:
        return RequestContext(resource=resource, now=NOW, namespace=namespace if resource.namespaced else "", **kwargs)


def texts(error: Invalid) -> list[str]:
    """Causes as ``field: message``."""
    return [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in error.causes]


@pytest.fixture
def registry() -> Registry:
    return Registry(Network())


@pytest.fixture
def dual_registry() -> Registry:
    return Registry(Network(service_cidrs=("10.96.0.0/16", "fd00:10:96::/112")))


@pytest.fixture
def now() -> datetime:
    return NOW
