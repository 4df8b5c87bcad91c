"""Leases: who holds something, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, check, nonnegative, one_of
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api.fields import forbidden, invalid
from minikube_py.api.meta import name_of
from minikube_py.api.names import qualified_name
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_STRATEGIES = ("OldestEmulationVersion",)


def _validate(lease: Object, errors: Errors) -> None:
    spec = lease.get("spec") or {}
    seconds, chosen = spec.get("leaseDurationSeconds"), spec.get("strategy")
    if seconds is not None and seconds <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    nonnegative(spec, "leaseTransitions", "spec", errors)
    if chosen is not None and "/" not in chosen:
        one_of(chosen, _STRATEGIES, "spec.strategy.strategy", errors)
    elif chosen is not None:
        check(qualified_name, chosen, "spec.strategy.strategy", errors)
    if spec.get("preferredHolder") and not chosen:
        errors.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))


def _cells(lease: Object, now: datetime) -> list[Any]:
    return [name_of(lease), (lease.get("spec") or {}).get("holderIdentity") or "", age(lease, now)]


def strategy(resource: Resource) -> KindStrategy:
    """Leases. Unconditional updates are refused: a lease is a lock."""
    return KindStrategy(
        resource=resource,
        validate=_validate,
        table=Table((NAME, Column("Holder", description="Who holds the lease."), AGE), _cells),
        allow_create_on_update=True,
        allow_unconditional_update=False,
    )
