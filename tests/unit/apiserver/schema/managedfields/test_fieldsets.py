"""Set operations on trees of field paths, held against sets of tuples."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apiserver.schema.managedfields.fieldsets import (
    FieldSet,
    difference,
    intersection,
    is_member,
    path_text,
    paths,
    union,
    without,
)


def tree(members: set[tuple[str, ...]]) -> FieldSet:
    found: FieldSet = None
    for path in members:
        node: dict[str, Any] = {}
        for element in reversed(path):
            node = {element: node}
        found = union(found, node)
    return found


def sample(noise: random.Random) -> set[tuple[str, ...]]:
    return {tuple(noise.choice("abc") for _ in range(noise.randrange(1, 4))) for _ in range(noise.randrange(6))}


def test_operations_agree_with_plain_sets() -> None:
    noise = random.Random(7)
    for _ in range(3000):
        left, right = sample(noise), sample(noise)
        one, other = tree(left), tree(right)
        assert set(paths(one)) == left
        assert set(paths(union(one, other))) == left | right
        assert set(paths(difference(one, other))) == left - right
        assert set(paths(intersection(one, other))) == left & right
        assert tree(left - right) == difference(one, other)
        assert tree(left & right) == intersection(one, other)


def test_nothing_is_changed_in_place() -> None:
    left = tree({("a",), ("a", "b"), ("c",)})
    before = repr(left)
    union(left, tree({("a", "x")}))
    difference(left, tree({("a",)}))
    assert repr(left) == before


def test_members() -> None:
    assert is_member({})
    assert is_member({".": {}, "f:a": {}})
    assert not is_member({"f:a": {}})


def test_without_a_subtree() -> None:
    whole = tree({("f:status",), ("f:status", "f:x"), ("f:spec", "f:y")})
    assert without(whole, "f:status") == {"f:spec": {"f:y": {}}}
    assert without(without(whole, "f:status"), "f:spec", "f:y") is None
    assert without(None, "f:a") is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:spec", 'k:{"name":"c"}', "f:image"), '.spec[name="c"].image'),
        (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
        (("f:metadata", "f:finalizers", 'v:"a/b"'), '.metadata.finalizers[="a/b"]'),
        (("f:metadata", "f:labels", "f:app.kubernetes.io/name"), ".metadata.labels.app.kubernetes.io/name"),
    ],
)
def test_paths_as_text(path: tuple[str, ...], text: str) -> None:
    assert path_text(path) == text
