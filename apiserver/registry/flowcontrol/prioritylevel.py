"""PriorityLevelConfigurations: how many requests a level serves at once, and how others wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, require_one_of
from apiserver.registry.strategy import MERE_STATUS_RULES, KindStrategy
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age
from minikube_py.api.fields import forbidden, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_QUEUING = {"handSize": 8, "queues": 64, "queueLengthLimit": 50}
_MOST_QUEUES = 10_000_000


def _default(level: Object) -> None:
    spec = level.setdefault("spec", {})
    for kind, shares in (("exempt", 0), ("limited", 30)):
        part = spec.get(kind)
        if part is None:
            continue
        if part.get("nominalConcurrencyShares") is None:
            part["nominalConcurrencyShares"] = shares
        if part.get("lendablePercent") is None:
            part["lendablePercent"] = 0
    queuing = ((spec.get("limited") or {}).get("limitResponse") or {}).get("queuing")
    if queuing is not None:
        queuing.update({name: queuing.get(name) or value for name, value in _QUEUING.items()})


def _validate(level: Object, errors: Errors) -> None:
    spec = level["spec"]
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    if (name_of(level) == "exempt") != (kind == "Exempt"):
        errors.append(invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'"))
    require_one_of(kind, ("Exempt", "Limited"), "spec.type", errors)
    if kind == "Exempt":
        if limited is not None:
            errors.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        if exempt is not None:
            _validate_shares(exempt, "spec.exempt", errors)
    elif kind == "Limited":
        if exempt is not None:
            errors.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        if limited is None:
            errors.append(required("spec.limited", "must not be empty when type is Limited"))
        else:
            _validate_limited(limited, "spec.limited", errors)


def _validate_shares(part: Fields, path: str, errors: Errors) -> None:
    shares, lendable = part.get("nominalConcurrencyShares") or 0, part.get("lendablePercent") or 0
    if shares < 0:
        errors.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    if not 0 <= lendable <= 100:
        errors.append(invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))


def _validate_limited(limited: Fields, path: str, errors: Errors) -> None:
    response, place = limited.get("limitResponse") or {}, f"{path}.limitResponse"
    kind, queuing = response.get("type") or "", response.get("queuing")
    require_one_of(kind, ("Queue", "Reject"), f"{place}.type", errors)
    if kind == "Reject" and queuing is not None:
        detail = "must be nil if limited.limitResponse.type is not Limited"
        errors.append(forbidden(f"{place}.queuing", detail))
    if kind == "Queue" and queuing is None:
        detail = "must not be empty if limited.limitResponse.type is Limited"
        errors.append(required(f"{place}.queuing", detail))
    if kind == "Queue" and queuing is not None:
        _validate_queuing(queuing, f"{place}.queuing", errors)
    _validate_shares(limited, path, errors)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        detail = "if specified, must be a non-negative integer"
        errors.append(invalid(f"{path}.borrowingLimitPercent", borrowing, detail))


def _validate_queuing(queuing: Fields, path: str, errors: Errors) -> None:
    queues, hand = queuing["queues"], queuing["handSize"]
    for name in ("queueLengthLimit", "queues", "handSize"):
        if queuing[name] <= 0:
            errors.append(invalid(f"{path}.{name}", queuing[name], "must be positive"))
    if queues > _MOST_QUEUES:
        errors.append(invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}"))
    if hand > queues:
        errors.append(invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))


def _cells(level: Object, now: datetime) -> list[Any]:
    spec = level.get("spec") or {}
    limited = spec.get("limited") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    waiting = [queuing.get(name, NONE) for name in ("queues", "handSize", "queueLengthLimit")]
    shares = limited.get("nominalConcurrencyShares", NONE)
    return [name_of(level), spec.get("type") or "", shares, *waiting, age(level, now)]


_TABLE = Table(
    (
        NAME,
        Column("Type", description="Whether its requests are limited."),
        Column("NominalConcurrencyShares", description="Its share of the server's seats."),
        Column("Queues", description="How many queues it has."),
        Column("HandSize", description="How many queues a flow is spread over."),
        Column("QueueLengthLimit", description="How many requests wait in a queue."),
        AGE,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PriorityLevelConfigurations."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        subresources={"status": MERE_STATUS_RULES},
        generation_fields=("spec",),
        validate=_validate,
        table=_TABLE,
    )
