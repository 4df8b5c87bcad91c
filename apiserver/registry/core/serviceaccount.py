"""ServiceAccounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Table, age
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object


def _cells(account: Object, now: datetime) -> list[Any]:
    return [name_of(account), age(account, now)]


def strategy(resource: Resource) -> KindStrategy:
    """ServiceAccounts."""
    return KindStrategy(resource=resource, table=Table((NAME, AGE), _cells))
