"""Sets of field paths, in the very form in which managedFields carries them (FieldsV1).

A set is a tree of dicts whose keys are path elements: ``f:name`` a field, ``k:{...}`` an item by its keys,
``v:...`` an item by its value. A node is a member of the set when it is empty or has the key ``"."``. Because the
wire form is the working form, nothing is parsed or encoded on a write. ``None`` is the empty set.

Trees are shared between objects and never changed: operations return new ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

Node = dict[str, Any]
FieldSet = Node | None

SELF = "."
#: The node of a member without children. One for all: nodes are never changed.
LEAF: Node = {}


def is_member(node: Node) -> bool:
    """Whether the path that leads to this node is itself in the set."""
    return not node or SELF in node


def _normal(node: Node) -> FieldSet:
    """A node without children is written as {} where it is a member, and is nothing where it is not."""
    if not node:
        return None
    return {} if len(node) == 1 and SELF in node else node


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths in either set, in order where both are."""
    if left is None or right is None:
        return right if left is None else left
    if not left or not right:
        other = left or right
        return other if not other or SELF in other else {SELF: {}, **other}
    result = dict(left)
    for key, node in right.items():
        result[key] = {} if key == SELF else union(result.get(key), node)
    return result if len(result) == len(left) else {key: result[key] for key in _in_order(result)}


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of the left set that are not in the right one. Children of a removed path stay."""
    if left is None or right is None:
        return left
    if not left:
        return None if is_member(right) else left
    if not right:
        return _normal({key: node for key, node in left.items() if key != SELF}) if SELF in left else left
    result = left
    for key, node in right.items():
        mine = left.get(key)
        if mine is None:
            continue
        kept = None if key == SELF else difference(mine, node)
        if kept is mine:
            continue
        if result is left:
            result = dict(left)
        if kept is None:
            del result[key]
        else:
            result[key] = kept
    return result if result is left else _normal(result)


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths in both sets."""
    if left is None or right is None:
        return None
    if not left or not right:
        return {} if is_member(left) and is_member(right) else None
    result: Node = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            continue
        common = {} if key == SELF else intersection(node, other)
        if common is not None:
            result[key] = common
    return _normal(result)


def without(whole: FieldSet, *path: str) -> FieldSet:
    """The set without a path and all below it."""
    if whole is None or path[0] not in whole:
        return whole
    rest = {key: node for key, node in whole.items() if key != path[0]}
    if len(path) > 1:
        kept = without(whole[path[0]], *path[1:])
        if kept is not None:
            rest[path[0]] = kept
    return _normal(rest)


class Ordered(dict[str, Any]):
    """A node that is known to be in order, with all below it."""

    __slots__ = ()


def ordered(node: Node) -> Node:
    """The same set in the order of the wire, as structured-merge-diff sorts path elements; itself if it has that."""
    if node.__class__ is Ordered:
        return node
    return Ordered({name: node[name] and ordered(node[name]) for name in _in_order(node)})


def _in_order(node: Node) -> list[str]:
    names = sorted(node)
    if len(names) > 1 and names[-1][0] in "kv":
        names.sort(key=_element_order)
    return names


@lru_cache(maxsize=4096)
def _element_order(element: str) -> tuple[Any, ...]:
    """Fields by name, then items by the values of their keys, then items by their own value, then by position."""
    kind, _, rest = element.partition(":")
    if kind == "k":
        return ("k", [(key, *_comparable(value)) for key, value in sorted(json.loads(rest).items())])
    if kind == "v":
        return ("v", [_comparable(json.loads(rest))])
    return ("x" if kind == "i" else kind, [], rest)


def _comparable(value: Any) -> tuple[int, Any]:
    """Values of one type are compared; numbers come before strings, strings before the rest."""
    if isinstance(value, int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else (2, json.dumps(value))


def paths(whole: FieldSet) -> Iterator[tuple[str, ...]]:
    """Every member, as its path elements."""
    if whole is None:
        return
    for key, node in whole.items():
        if key == SELF:
            continue
        if is_member(node):
            yield (key,)
        for rest in paths(node):
            yield (key, *rest)


def path_text(path: tuple[str, ...]) -> str:
    """A path as errors show it: ``.spec.containers[name="c"].image``."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = ",".join(f"{key}={_scalar_text(value)}" for key, value in sorted(json.loads(rest).items()))
        return f"[{pairs}]"
    return f"[={_scalar_text(json.loads(rest))}]" if kind == "v" else f"[{rest}]"


def _scalar_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
