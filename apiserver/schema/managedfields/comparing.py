"""What differs between two states of an object, and which paths a configuration names: as sets of field paths.

Equal parts are skipped at the speed of a dict comparison, so that the cost of tracking a write follows what it changed.
"""

from __future__ import annotations

from typing import Any

from apiserver.schema.managedfields.atoms import Atom
from apiserver.schema.managedfields.fieldsets import LEAF, SELF, FieldSet, Node


def compare_objects(atom: Atom, old: Any, new: Any) -> tuple[FieldSet, FieldSet]:
    """``compare`` for whole objects, which are hardly ever equal."""
    return _compare_maps(atom, old, new)


def compare(atom: Atom, old: Any, new: Any) -> tuple[FieldSet, FieldSet]:
    """Paths added or modified, and paths removed, from ``old`` to ``new``."""
    if old is new or (old == new and old.__class__ is new.__class__):
        return None, None
    if atom.leaf or not (old or new):
        return {}, None
    if atom.listed:
        return _compare_lists(atom, old, new)
    return _compare_maps(atom, old, new)


def _compare_maps(atom: Atom, old: Any, new: Any) -> tuple[FieldSet, FieldSet]:
    old, new = old or {}, new or {}
    if not isinstance(old, dict) or not isinstance(new, dict):
        return {}, None
    changed: Node = {}
    removed: Node = {}
    for key, value in new.items():
        child = atom.child(key)
        if child is None or not child.owned:
            continue
        if key not in old:
            changed[f"f:{key}"] = added(child, value)
        elif old[key] is not value:
            _note(f"f:{key}", compare(child, old[key], value), changed, removed)
    if len(old) > len(new) or not old.keys() <= new.keys():
        for key in old.keys() - new.keys():
            child = atom.child(key)
            if child is not None and child.owned:
                removed[f"f:{key}"] = added(child, old[key])
    return changed or None, removed or None


def _note(key: str, found: tuple[FieldSet, FieldSet], changed: Node, removed: Node) -> None:
    if found[0] is not None:
        changed[key] = found[0]
    if found[1] is not None:
        removed[key] = found[1]


def _compare_lists(atom: Atom, old: Any, new: Any) -> tuple[FieldSet, FieldSet]:
    before, after = index_items(atom, old), index_items(atom, new)
    element = atom.element
    assert element is not None
    changed: Node = {}
    removed: Node = {}
    for key, items in after.items():
        others = before.get(key)
        if others is None:
            changed[key] = added(element, items[0]) if len(items) == 1 else {}
        elif len(items) == len(others) == 1:
            _note(key, compare(element, others[0], items[0]), changed, removed)
        elif items != others:
            changed[key] = {}
    for key, others in before.items():
        if key not in after:
            removed[key] = added(element, others[0]) if len(others) == 1 else {}
    return changed or None, removed or None


def index_items(atom: Atom, items: Any) -> dict[str, list[Any]]:
    """The items of an associative list by their path elements; duplicates share one."""
    found: dict[str, list[Any]] = {}
    for item in items if isinstance(items, list) else ():
        key = atom.item_key(item)
        if key is not None:
            found.setdefault(key, []).append(item)
    return found


def added(atom: Atom, value: Any) -> Node:
    """The paths of a value that was not there before, its own included."""
    if atom.leaf or not value:
        return LEAF
    if atom.listed:
        return _added_items(atom, value)
    steps = atom.steps
    if not isinstance(value, dict):
        return LEAF
    if steps is None:
        return _added_entries(atom, value)
    node: Node = {SELF: LEAF}
    for key, item in value.items():
        step = steps.get(key)
        if step is not None:
            element, child = step
            node[element] = LEAF if child.leaf or not item else added(child, item)
    return node if len(node) > 1 else LEAF


def _added_entries(atom: Atom, value: dict[str, Any]) -> Node:
    """The paths of a map's entries."""
    element = atom.element
    if element is None or not element.owned:
        return LEAF
    leaf = element.leaf
    entries = {f"f:{key}": LEAF if leaf else added(element, item) for key, item in value.items()}
    return {SELF: LEAF, **entries} if entries else LEAF


def _added_items(atom: Atom, items: Any) -> Node:
    """The paths of an associative list's items; of items that share an identity only the identity."""
    element = atom.element
    assert element is not None
    node: Node = {SELF: LEAF}
    for item in items if isinstance(items, list) else ():
        key = atom.item_key(item)
        if key is not None:
            node[key] = LEAF if key in node else added(element, item)
    return node if len(node) > 1 else LEAF


def named_paths(atom: Atom, value: Any) -> FieldSet:
    """The paths that a configuration sets: its leaves and its items, not the structs that lead to them."""
    if atom.leaf:
        return {}
    node: Node = {}
    if atom.listed:
        assert atom.element is not None
        for key, items in index_items(atom, value).items():
            node[key] = _as_member(named_paths(atom.element, items[0]))
    elif isinstance(value, dict):
        for key, item in value.items():
            child = atom.child(key)
            if child is None or not child.owned:
                continue
            inner = named_paths(child, item)
            if item is None or item == {} or not atom.is_named(key):
                inner = _as_member(inner)
            if inner is not None:
                node[f"f:{key}"] = inner
    return node or None


def _as_member(node: FieldSet) -> Node:
    if not node:
        return {}
    return node if SELF in node else {SELF: {}, **node}
