"""Merging a configuration into an object, and taking out of an object what a set of paths names. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any

from apiserver.schema.managedfields.atoms import Atom
from apiserver.schema.managedfields.comparing import index_items
from apiserver.schema.managedfields.fieldsets import SELF, FieldSet, Node, is_member


def merge(atom: Atom, live: Any, config: Any) -> Any:
    """The live value with the configuration's laid over it; what the configuration does not name is shared."""
    if atom.leaf or not (live or config):
        return config
    if atom.listed:
        return _merge_lists(atom, live, config)
    if not isinstance(live or {}, dict) or not isinstance(config or {}, dict):
        return config
    result = dict(live or {})
    for key, value in (config or {}).items():
        child = atom.child(key)
        if child is None or key not in result:
            result[key] = value
        else:
            result[key] = merge(child, result[key], value)
    return result


def _merge_lists(atom: Atom, live: Any, config: Any) -> Any:
    """Items of the configuration in its order; live items that it does not name keep their places between them."""
    live, config = live or [], config or []
    if not isinstance(live, list) or not isinstance(config, list):
        return config
    assert atom.element is not None
    left = [atom.item_key(item) for item in live]
    right = [atom.item_key(item) for item in config]
    before, after = index_items(atom, live), index_items(atom, config)
    shared = deque(key for key in right if key in before)
    merged: set[str | None] = set()
    result: list[Any] = []

    def take_right(index: int) -> None:
        key = right[index]
        merged.add(key)
        others = before.get(key or "")
        element = atom.element
        assert element is not None
        result.append(merge(element, others[0], config[index]) if others else config[index])
        if shared and shared[0] == key:
            shared.popleft()

    at, to = 0, 0
    while at < len(left) or to < len(right):
        if at < len(left) and to < len(right):
            if left[at] == right[to]:
                take_right(to)
                at, to = at + 1, to + 1
                continue
            if left[at] in after and shared and shared[0] != left[at]:
                at += 1  # a shared item whose turn comes later
                continue
        if at < len(left):
            if left[at] not in after:
                result.append(live[at])
                at += 1
                continue
            if left[at] in merged:
                at += 1
        if to < len(right):
            take_right(to)
            to += 1
    return result


def remove(atom: Atom, value: Any, paths: FieldSet) -> Any:
    """The value without the fields and items that the set has as members. What becomes empty becomes None."""
    if not paths or atom.leaf or not value:
        return value
    if atom.listed:
        assert atom.element is not None
        items = [_without(atom.element, item, paths.get(atom.item_key(item) or "")) for item in value]
        return [item for kept, item in items if kept] or None
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        child = atom.child(key)
        kept, item = _without(child, item, paths.get(f"f:{key}")) if child is not None else (True, item)
        if kept:
            result[key] = item
    return result or None


def _without(atom: Atom, value: Any, node: Node | None) -> tuple[bool, Any]:
    if node is None:
        return True, value
    if is_member(node):
        return False, None
    return True, remove(atom, value, node)


def with_named_fields(atom: Atom | None, whole: FieldSet) -> FieldSet:
    """The set with the structs that lead to its members: owning ``spec.replicas`` is then owning ``spec`` too."""
    if not whole:
        return whole
    result: Node = {}
    for key, node in whole.items():
        if key == SELF:
            result[key] = node
            continue
        name = key.removeprefix("f:")
        named = key.startswith("f:")
        child = (atom.child(name) if named else atom.element) if atom is not None else None
        inner = with_named_fields(child, node)
        assert inner is not None
        if named and atom is not None and atom.is_named(name) and inner and SELF not in inner:
            inner = {SELF: {}, **inner}
        result[key] = inner
    return result
