"""Selectors: what they select, their string form, and the words of their errors."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.errors import BadRequest
from minikube_py.api.selectors import (
    from_labels,
    label_selector_of,
    parse_field_selector,
    parse_label_selector,
)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {"x": "y"}, True),
        ("x=y", {"x": "y"}, True),
        ("x==y", {"x": "y", "a": "b"}, True),
        ("x=y,z=w", {"x": "y", "z": "w"}, True),
        ("x=y,z=w", {"x": "y", "z": "v"}, False),
        ("x!=y,z!=w", {"x": "z", "z": "a"}, True),
        ("x!=y", {}, True),
        ("x!=y", {"x": "y"}, False),
        ("notin=in", {"notin": "in"}, True),
        ("x", {"x": "z"}, True),
        ("x", {}, False),
        ("!x", {"y": "z"}, True),
        ("!x", {"x": "z"}, False),
        ("x>1", {"x": "2"}, True),
        ("x>1", {"x": "word"}, False),
        ("x<1", {"x": "0"}, True),
        ("x<1", {}, False),
        ("x in (a,b)", {"x": "b"}, True),
        ("x in (a,,b)", {"x": ""}, True),
        ("x in (in,notin)", {"x": "in"}, True),
        ("x notin (a,b)", {"x": "c"}, True),
        ("x notin (a)", {}, True),
        ("x in ()", {"x": ""}, True),
        ("x=", {"x": ""}, True),
        ("x=", {}, False),
        (" x = a , !y , z in ( b , c ) ", {"x": "a", "z": "c"}, True),
    ],
)
def test_label_selection(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse_label_selector(text).matches(labels) is matches


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        ("y=b , x!=a", "x!=a,y=b"),
        ("x= ,z= ", "x=,z="),
        ("!x", "!x"),
        ("x>1,z<5", "x>1,z<5"),
        ("x in (c,a,a)", "x in (a,c)"),
        ("x notin (b)", "x notin (b)"),
        ("x==a", "x==a"),
        ("x in (,)", "x in ()"),
    ],
)
def test_the_query_form(text: str, canonical: str) -> None:
    selector = parse_label_selector(text)
    assert str(selector) == canonical
    assert parse_label_selector(canonical) == selector


BINARY = "in, notin, =, ==, !=, gt, lt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x=a||y=b", 'unable to parse requirement: values[0][x]: Invalid value: "a||y": '),
        ("x==a==b", "found '==', expected: ',' or 'end of string'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        (
            "x<a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must",
        ),
        ("a b", f"unable to parse requirement: found 'b', expected: {BINARY}"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("a/b/c=d", 'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key'),
        ("-a", 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of'),
    ],
)
def test_what_cannot_be_parsed(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as raised:
        parse_label_selector(text)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        (None, {}, False),
        ({}, {"a": "b"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}, {"a": "c"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ],
)
def test_selector_objects(selector: dict[str, Any] | None, labels: dict[str, str], matches: bool) -> None:
    assert label_selector_of(selector).matches(labels) is matches


def test_selector_objects_that_are_wrong() -> None:
    with pytest.raises(BadRequest, match='"Foo" is not a valid label selector operator'):
        label_selector_of({"matchExpressions": [{"key": "a", "operator": "Foo"}]})
    with pytest.raises(BadRequest, match="values set can't be empty"):
        label_selector_of({"matchExpressions": [{"key": "a", "operator": "In"}]})


def test_plain_maps() -> None:
    selector = from_labels({"b": "2", "a": "1"})
    assert str(selector) == "a=1,b=2"
    assert selector.exact("b") == "2"
    assert selector.exact("c") is None
    assert from_labels({}).everything


@pytest.mark.parametrize(
    ("text", "requirements", "canonical"),
    [
        ("", [], ""),
        ("a=b", [("a", "=", "b")], "a=b"),
        (
            "spec.nodeName==n1,status.phase!=Failed",
            [("spec.nodeName", "=", "n1"), ("status.phase", "!=", "Failed")],
            None,
        ),
        ("a=b,,c=", [("a", "=", "b"), ("c", "=", "")], "a=b,c="),
        (r"a=b\,c\=d\\", [("a", "=", "b,c=d\\")], r"a=b\,c\=d\\"),
    ],
)
def test_field_selectors(text: str, requirements: list[tuple[str, str, str]], canonical: str | None) -> None:
    selector = parse_field_selector(text)
    assert list(selector.requirements) == requirements
    if canonical is not None:
        assert str(selector) == canonical


def test_field_selection() -> None:
    fields = {"spec.nodeName": "n1", "status.phase": "Running"}
    selector = parse_field_selector("spec.nodeName=n1,status.phase!=Failed")
    assert selector.matches(lambda path: fields.get(path, ""))
    assert not parse_field_selector("spec.nodeName!=n1").matches(lambda path: fields.get(path, ""))
    assert selector.exact("spec.nodeName") == "n1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_selectors_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as raised:
        parse_field_selector(text)
    assert raised.value.message == message
