"""Holding an applied configuration to its schema, in the words of structured-merge-diff's validation."""

from __future__ import annotations

from typing import Any

from apiserver.schema.managedfields.atoms import Atom
from apiserver.schema.managedfields.comparing import index_items
from apiserver.schema.managedfields.fieldsets import path_text
from minikube_py.api.strategicmerge import go_kind, go_print

Path = tuple[str, ...]


def problems(atom: Atom, value: Any) -> list[str]:
    """What is wrong with a configuration: unknown fields, wrong types, items without identity or with the same."""
    found: list[str] = []
    _check(atom, value, (), found)
    return found


def summary(found: list[str]) -> str:
    """The problems as one text."""
    return found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])


def _check(atom: Atom, value: Any, path: Path, found: list[str]) -> None:
    if value is None:
        return
    problem = _type_problem(atom, value)
    if problem:
        found.append(_at(path, problem))
    elif isinstance(value, dict):
        _check_map(atom, value, path, found)
    elif isinstance(value, list):
        _check_list(atom, value, path, found)


def _at(path: Path, problem: str) -> str:
    return f"{path_text(path)}: {problem}" if path else problem


def _type_problem(atom: Atom, value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match atom.expects:
        case "map" if not isinstance(value, dict):
            return f"expected map, got {_shown(value)}"
        case "list" if not isinstance(value, list):
            return f"expected list, got {_shown(value)}"
        case "number" if not number:
            return f"expected numeric (int or float), got {_go_type(value)}"
        case "string" if not isinstance(value, str):
            return f"expected string, got {_shown(value)}"
        case "bool" if not isinstance(value, bool):
            return f"expected boolean, got {_shown(value)}"
    return ""


def _shown(value: Any) -> str:
    return f"&{{{go_print(value)}}}"


def _go_type(value: Any) -> str:
    kind = go_kind(value)
    return {"map": "map[string]interface {}", "slice": "[]interface {}"}.get(kind, kind)


def _check_map(atom: Atom, value: dict[str, Any], path: Path, found: list[str]) -> None:
    if atom.fields is None and atom.element is None:
        return
    for key, item in value.items():
        child = atom.child(key)
        if child is None:
            found.append(_at((*path, f"f:{key}"), "field not declared in schema"))
        else:
            _check(child, item, (*path, f"f:{key}"), found)


def _check_list(atom: Atom, value: list[Any], path: Path, found: list[str]) -> None:
    if atom.element is None:
        return
    if not atom.listed:
        for index, item in enumerate(value):
            _check(atom.element, item, (*path, f"i:{index}"), found)
        return
    for index, item in enumerate(value):
        if atom.item_key(item) is None:
            missing = next((key for key in atom.keys if not isinstance(item, dict) or key not in item), "")
            text = "associative list with keys has an element that omits key field"
            problem = f'{text} "{missing}" (and doesn\'t have default value)' if missing else "item has no identity"
            found.append(_at(path, f"element {index}: {problem}"))
    for key, items in index_items(atom, value).items():
        if len(items) > 1:
            found.append(_at(path, f"duplicate entries for key {path_text((key,))}"))
        _check(atom.element, items[0], (*path, key), found)
