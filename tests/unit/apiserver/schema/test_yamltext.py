"""YAML as upstream's reader has it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.schema.yamltext import YAMLProblem, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"), ("2020-01-01", "2020-01-01"), ("2001-12-14t21:59:43-05:00", "2001-12-14t21:59:43-05:00"),
        ("1e3", 1000), ("1.0", 1), (".5", 0.5), ("0777", 511), ("0x10", 16), ("0o17", 15), ("1_000", 1000), ("-7", -7),
        ("yes", True), ("Off", False), ("y", True), ("'yes'", "yes"), ("~", None), ("", None), ("null", None),
        ("!!binary aGk=", "aGk="), ("=", "="), ("1.2.3", "1.2.3"), ("+5", 5), ("99999999999999999999", 1e20),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    assert parse(f"k: {text}")[0] == {"k": value}


def test_keys_are_strings() -> None:
    assert parse("1: a\ntrue: b\n~: c\n1.5: d\n")[0] == {"1": "a", "true": "b", "null": "c", "1.5": "d"}


def test_anchors_and_merges() -> None:
    assert parse("a: &x {u: 1}\nb: {<<: *x, v: 2}\nc: *x\n")[0] == {"a": {"u": 1}, "b": {"u": 1, "v": 2}, "c": {"u": 1}}


def test_repeated_keys_and_their_lines() -> None:
    assert parse("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n")[1] == [
        'line 5: key "a" already set in map',
        'line 4: key "c" already set in map',
    ]


def test_only_the_first_document_counts() -> None:
    assert parse("a: 1\n---\nb: 2\n")[0] == {"a": 1}
    assert parse("---\n")[0] is None


def test_json_is_yaml() -> None:
    assert parse(b'{"a": 1e3, "b": "12:30"}') == ({"a": 1000.0, "b": "12:30"}, [])
    assert parse(b"{a: b}") == ({"a": "b"}, [])
    assert parse(b'{"a": 1, "a": 2}')[1] == ['line 1: key "a" already set in map']


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "a: &x [*x]", "a: *nobody", "? [a]\n: b", "a: !!python/object:os.system x"]
)
def test_problems(text: str) -> None:
    with pytest.raises(YAMLProblem):
        parse(text)
