"""Every built-in kind has its rules, and what all of them have in common."""

from __future__ import annotations

import pytest

from apiserver.registry.catalog import Dependencies, strategy_for
from apiserver.registry.context import RequestContext
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import CREATED_AT_TABLE
from apiserver.schema.schema import Schema
from minikube_py.api.resources import BUILTIN, HORIZONTALPODAUTOSCALERS_V1, Resource
from minikube_py.api.types import Object

#: Kinds that upstream has no printer for either.
UNPRINTED = {"Binding", "ClusterRole", "LimitRange", "Role"}
STORED = [r for r in BUILTIN if "get" in r.verbs and r is not HORIZONTALPODAUTOSCALERS_V1]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.load()


def _strategy(resource: Resource) -> KindStrategy:
    strategy = strategy_for(resource, Dependencies())
    assert isinstance(strategy, KindStrategy)
    return strategy


@pytest.mark.parametrize("resource", STORED, ids=lambda r: f"{r.group}/{r.kind}")
def test_kinds_have_columns(resource: Resource) -> None:
    table = _strategy(resource).table
    assert (table is CREATED_AT_TABLE) == (resource.kind in UNPRINTED)
    assert "Name" in {column.name for column in table.columns}
    assert all(column.description for column in table.columns)


@pytest.mark.parametrize("resource", STORED, ids=lambda r: f"{r.group}/{r.kind}")
def test_an_empty_stored_object_can_be_shown(registry: object, resource: Resource, now: object) -> None:
    del registry
    table = _strategy(resource).table
    row = table.row({"metadata": {"name": "x"}}, now)  # type: ignore[arg-type]
    assert len(row) == len(table.columns) and "x" in row


@pytest.mark.parametrize("resource", STORED, ids=lambda r: f"{r.group}/{r.kind}")
def test_the_status_of_a_new_object_shows_the_zeros_that_go_writes(
    resource: Resource, schema: Schema, now: object
) -> None:
    strategy = _strategy(resource)
    if not strategy.has_status:
        return
    expected: Object = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "status": {}}
    schema.complete(expected, resource)
    assert strategy.new_status() == expected["status"]


@pytest.mark.parametrize("resource", STORED, ids=lambda r: f"{r.group}/{r.kind}")
def test_defaults_and_checks_take_an_empty_object(resource: Resource, now: object) -> None:
    """Whatever a client leaves out, it hears what is missing, and no check trips over it."""
    strategy = _strategy(resource)
    obj: Object = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "x"}}
    strategy.default(obj)
    before = {key: value for key, value in obj.items() if key != "metadata"}
    strategy.default(obj)
    assert {key: value for key, value in obj.items() if key != "metadata"} == before, "defaulting is idempotent"
    context = RequestContext(resource=resource, now=now, namespace="default")  # type: ignore[arg-type]
    strategy.prepare_create(obj, context)
    strategy.validate_create(obj, context)
    strategy.warnings(obj)
