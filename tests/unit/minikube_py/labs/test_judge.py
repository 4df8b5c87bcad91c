"""Expectations, one condition at a time."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from minikube_py.labs.judge import holds
from minikube_py.labs.model import Check, Expectation, Reference
from minikube_py.labs.select import PathFault, parse, values_at

ITEMS = [{"pod": "a", "n": 1, "ports": [{"port": 80}, {"port": 81}]}, {"pod": "b", "n": 1, "x": {"a.b/c": "d"}}]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("pod", ["a", "b"]),
        ("ports[*].port", [80, 81]),
        ("ports[1].port", [81]),
        ("ports[7].port", []),
        ('x["a.b/c"]', ["d"]),
        ("pod.deeper", []),
        ("", ITEMS),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert [value for item in ITEMS for value in values_at(item, path)] == found


@pytest.mark.parametrize("path", ["a..b", "a[", "a b", "[x]"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(PathFault):
        parse(path)


@pytest.mark.parametrize(
    ("expectation", "holds_so"),
    [
        ({"path": "n", "equals": 1}, True),
        ({"path": "pod", "equals": "a"}, False),
        ({"path": "none", "equals": 1}, False),  # nothing there is not well
        ({"path": "pod", "contains": "a"}, True),
        ({"path": "pod", "contains": "c"}, False),
        ({"path": "pod", "lacks": "c"}, True),
        ({"path": "pod", "lacks": "b"}, False),
        ({"path": "pod", "oneOf": ["a", "b"]}, True),
        ({"path": "pod", "oneOf": ["a"]}, False),
        ({"path": "pod", "matches": "[ab]"}, True),
        ({"path": "pod", "matches": "a"}, False),
        ({"path": "pod", "count": 2}, True),
        ({"path": "none", "count": 0}, True),
        ({"path": "pod", "count": {"min": 1, "max": 1}}, False),
        ({"path": "pod", "count": {"min": 1}}, True),
        ({"path": "n", "distinct": 1}, True),
        ({"path": "pod", "distinct": 1}, False),
        ({"path": "pod", "distinct": 2, "contains": "z"}, False),  # all must hold
    ],
)
def test_conditions(expectation: dict[str, Any], holds_so: bool) -> None:
    assert holds(Expectation.model_validate(expectation), ITEMS) is holds_so


def test_two_measurements_are_compared_as_sets() -> None:
    same = Reference.model_validate({"path": "ip", "objects": {"kind": "Pod"}})
    wanted = Expectation(path="pod", same_as=same)
    assert holds(wanted, ITEMS, [{"ip": "b"}, {"ip": "a"}, {"ip": "a"}])
    assert not holds(wanted, ITEMS, [{"ip": "a"}])
    assert not holds(wanted, [], []), "nothing equals nothing only by accident"


def test_a_typed_number_equals_the_number() -> None:
    same = Reference.model_validate({"path": "n", "objects": {"kind": "Pod"}})
    assert holds(Expectation(path="data", same_as=same), [{"data": "7"}], [{"n": 7}])


@pytest.mark.parametrize(
    "check",
    [
        {"objects": {"kind": "Pod"}, "resolve": {"from": "a", "name": "b"}},
        {},
        {"objects": {"kind": "Pod"}, "expect": [{"path": "a"}]},
        {"objects": {"kind": "Pod"}, "expct": []},
    ],
)
def test_a_check_that_says_nothing_or_too_much_is_refused(check: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Check.model_validate({"id": "a", "title": {"en": "A"}, "expect": [{"path": "a", "equals": 1}], **check})
