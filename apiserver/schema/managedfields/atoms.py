"""How values of each type are merged: as one (atomic), field by field, or item by item.

The same facts as upstream's structured-merge schema, read from the model's list types, map types and merge keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.schema.model import FIELDS_V1, RAW_EXTENSION, Field, Form, GoType, Model, Struct

#: Fields of an object that nobody owns.
_UNOWNED = ("apiVersion", "kind")
_UNOWNED_METADATA = (
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
    "resourceVersion",
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Atom:
    """One type. Exactly one of: a leaf, a struct (``fields``), a map (``element``), an associative list (``listed``).

    ``keys`` are the fields that identify an item of a list of structs; none for a set of scalars. ``owned`` is false
    for the fields that field management passes over.
    """

    leaf: bool = False
    listed: bool = False
    fields: dict[str, Atom] | None = None
    element: Atom | None = None
    keys: tuple[str, ...] = ()
    key_defaults: dict[str, Any] = field(default_factory=dict)
    owned: bool = True
    expects: str = ""
    _steps: dict[str, tuple[str, Atom]] | None = None

    @property
    def steps(self) -> dict[str, tuple[str, Atom]] | None:
        """A struct's owned fields with their path elements (``f:name``); None for anything else."""
        if self._steps is None and self.fields is not None:
            self._steps = {name: (f"f:{name}", child) for name, child in self.fields.items() if child.owned}
        return self._steps

    def child(self, name: str) -> Atom | None:
        """The type of a struct's field or a map's value; None for an unknown field."""
        if self.fields is not None:
            return self.fields.get(name)
        return self.element

    def is_named(self, name: str) -> bool:
        """Whether the key is a field of a struct, rather than a key of a map."""
        return self.fields is not None and name in self.fields

    def item_key(self, item: Any) -> str | None:
        """The path element of a list's item (``k:{"name":"a"}``, ``v:"x"``), None where it has no identity."""
        if not self.keys:
            return None if item is None else f"v:{orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()}"
        if not isinstance(item, dict):
            return None
        if len(self.keys) == 1 and isinstance(value := item.get(self.keys[0]), str):
            return f'k:{{"{self.keys[0]}":{orjson.dumps(value).decode()}}}'
        found = {key: item[key] if key in item else self.key_defaults.get(key) for key in self.keys}
        found = {key: value for key, value in found.items() if value is not None}
        return f"k:{orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()}" if found else None


_NUMERIC = (Form.INTEGER, Form.FLOAT)


class Atoms:
    """The atoms of a model's types, built when first needed."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._structs: dict[str, Atom] = {}
        self._roots: dict[str, Atom] = {}

    def root(self, name: str) -> Atom:
        """The atom of a whole object, which has fields that nobody owns."""
        if name not in self._roots:
            fields = dict(self.struct(name).fields or {})
            for unowned in _UNOWNED:
                fields[unowned] = Atom(leaf=True, owned=False, expects="string")
            if "metadata" in fields:
                fields["metadata"] = self._metadata(fields["metadata"])
            self._roots[name] = Atom(fields=fields, expects="map")
        return self._roots[name]

    def _metadata(self, whole: Atom) -> Atom:
        fields = dict(whole.fields or {})
        for unowned in _UNOWNED_METADATA:
            if unowned in fields:
                fields[unowned] = Atom(leaf=True, owned=False)
        return Atom(fields=fields, expects="map")

    def struct(self, name: str) -> Atom:
        """The atom of a struct."""
        if name not in self._structs:
            described = self._model.struct(name)
            atom = self._structs[name] = Atom(leaf=described.map_type == "atomic", expects="map")
            atom.fields = {found.name: self._of_field(found) for found in described.fields.values()}
        return self._structs[name]

    def _of_field(self, found: Field) -> Atom:
        kind = found.type
        if kind.form is Form.LIST:
            return self._list(found)
        if found.map_type == "atomic" and kind.form in (Form.MAP, Form.STRUCT):
            whole = self._of_type(kind)
            return Atom(leaf=True, fields=whole.fields, element=whole.element, expects="map")
        return self._of_type(kind)

    def _of_type(self, kind: GoType) -> Atom:
        if kind.form is Form.STRUCT:
            return self.struct(kind.name)
        if kind.form is Form.MAP:
            return Atom(element=self._of_type(kind.item), expects="map")
        if kind.form is Form.LIST:
            return Atom(leaf=True, element=self._of_type(kind.item), expects="list")
        if kind.name in (RAW_EXTENSION, FIELDS_V1) or kind.form is Form.OPAQUE:
            return Atom(leaf=True)
        if kind.form in _NUMERIC:
            return Atom(leaf=True, expects="number")
        return Atom(leaf=True, expects="bool" if kind.form is Form.BOOL else "string")

    def _list(self, found: Field) -> Atom:
        item = found.type.item
        element = self._of_type(item)
        merged = "merge" in found.patch_strategies
        listed = found.list_type in ("map", "set") or (not found.list_type and merged)
        if not listed:
            return Atom(leaf=True, element=element, expects="list")
        keys = found.map_keys or ((found.merge_key,) if found.merge_key and found.list_type != "set" else ())
        defaults = self._key_defaults(item, keys)
        return Atom(listed=True, element=element, keys=tuple(sorted(keys)), key_defaults=defaults, expects="list")

    def _key_defaults(self, item: GoType, keys: tuple[str, ...]) -> dict[str, Any]:
        if item.form is not Form.STRUCT:
            return {}
        described: Struct = self._model.struct(item.name)
        found = {key: described.fields[key] for key in keys if key in described.fields}
        return {key: _default(value) for key, value in found.items()}


def _default(found: Field) -> Any:
    """What the schema says a missing key is: its default, or the zero of a field that is always written."""
    if found.default is not None or found.omit_empty or found.type.pointer:
        return found.default
    return {Form.STRING: "", Form.INTEGER: 0, Form.BOOL: False}.get(found.type.form)
