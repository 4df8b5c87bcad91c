"""Conditions in a status: changed only when they say something new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minikube_py.api.meta import find_condition

Condition = dict[str, Any]


def with_condition(conditions: Sequence[Condition] | None, new: Condition) -> list[Condition]:
    """The conditions with ``new`` in its place. The transition time stays while the status does."""
    current = find_condition(conditions, str(new["type"]))
    if current is not None and current.get("status") == new.get("status"):
        new = new | {"lastTransitionTime": current.get("lastTransitionTime", new.get("lastTransitionTime"))}
    return _replaced(conditions, new)


def with_new_verdict(conditions: Sequence[Condition] | None, new: Condition) -> list[Condition]:
    """Like ``with_condition``, but nothing changes while status and reason are the same: a new message alone is no
    news (upstream's Deployment, ReplicaSet and Job conditions)."""
    current = find_condition(conditions, str(new["type"]))
    if current is not None and all(current.get(name) == new.get(name) for name in ("status", "reason")):
        return list(conditions or ())
    return with_condition(conditions, new)


def without(conditions: Sequence[Condition] | None, kind: str) -> list[Condition]:
    """The conditions without the one of this type."""
    return [condition for condition in conditions or () if condition.get("type") != kind]


def compact(status: Mapping[str, Any], *, keep: Sequence[str] = ()) -> dict[str, Any]:
    """A status as Go writes it: zero numbers, empty lists and empty strings are left out, except ``keep``."""
    return {name: value for name, value in status.items() if name in keep or value not in (0, "", None, [], {})}


def _replaced(conditions: Sequence[Condition] | None, new: Condition) -> list[Condition]:
    found = list(conditions or ())
    for index, condition in enumerate(found):
        if condition.get("type") == new["type"]:
            found[index] = new
            return found
    return [*found, new]
