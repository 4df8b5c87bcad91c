"""Expectations against measured items. Pure: what is measured, and how, is no matter here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from minikube_py.labs.model import Bounds, Expectation
from minikube_py.labs.select import values_at

Items = Sequence[Any]


def gather(items: Items, path: str) -> list[Any]:
    """The values at ``path`` of all items."""
    return [value for item in items for value in values_at(item, path)]


def holds(expectation: Expectation, items: Items, compared: Items = ()) -> bool:
    """``compared`` is what ``sameAs`` measured."""
    values = gather(items, expectation.path)
    return all(condition(values) for condition in _conditions(expectation, compared))


def _conditions(wanted: Expectation, compared: Items) -> Iterator[Callable[[list[Any]], bool]]:
    given = wanted.model_fields_set
    if "equals" in given:
        yield lambda values: _all(values, lambda value: value == wanted.equals)
    if "contains" in given:
        yield lambda values: wanted.contains in values
    if "lacks" in given:
        yield lambda values: wanted.lacks not in values
    if wanted.one_of is not None:
        yield lambda values: _all(values, lambda value: value in (wanted.one_of or ()))
    if wanted.matches is not None:
        yield lambda values: _all(values, lambda value: bool(re.fullmatch(wanted.matches or "", str(value))))
    if wanted.count is not None:
        yield lambda values: _within(len(values), wanted.count)
    if wanted.distinct is not None:
        yield lambda values: _within(len(_set(values)), wanted.distinct)
    if wanted.same_as is not None:
        others = _set(gather(compared, wanted.same_as.path))
        yield lambda values: bool(values) and _set(values) == others


def _all(values: Sequence[Any], test: Callable[[Any], bool]) -> bool:
    return bool(values) and all(map(test, values))


def _within(number: int, bounds: int | Bounds | None) -> bool:
    if isinstance(bounds, Bounds):
        return bounds.min <= number and (bounds.max is None or number <= bounds.max)
    return number == bounds


def _set(values: Sequence[Any]) -> set[bytes]:
    """Values as a set; objects and lists cannot be hashed. A text that a person typed equals the number it shows."""
    return {value.encode() if isinstance(value, str) else orjson.dumps(value) for value in values}
