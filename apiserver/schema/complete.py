"""The form that goes out: the zeros that Go writes whether they were set or not.

A field without ``omitempty`` is always written: a container has ``resources: {}``, a Deployment ``status: {}``, an
EndpointSlice without endpoints ``endpoints: null``. Clients in typed languages rely on some of them, and ``kubectl
get -o yaml`` shows them all, so stored objects carry them. Fillers are closures like the decoders, built when
first needed; parts of a type in which nothing is ever filled are not visited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.schema.model import INT_OR_STRING, QUANTITY, Field, Form, GoType, Model

Filler = Callable[[dict[str, Any]], None]
_Visit = Callable[[Any], None]
_Make = Callable[[], Any]

_ZERO: dict[Form, Any] = {
    Form.STRING: "",
    Form.BOOL: False,
    Form.INTEGER: 0,
    Form.FLOAT: 0,
    Form.BYTES: None,
    Form.LIST: None,
    Form.MAP: None,
}
_OPAQUE_ZERO = {QUANTITY: "0", INT_OR_STRING: 0}


class Completer:
    """Fills what Go always writes, per type."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._fillers: dict[str, Filler | None] = {}

    def complete(self, name: str, value: dict[str, Any]) -> None:
        """Add the fields that an object of the type ``name`` always shows, in place. Doing it twice changes nothing."""
        filler = self.filler(name)
        if filler is not None:
            filler(value)

    def filler(self, name: str) -> Filler | None:
        """The filler of a struct, None where nothing in it is ever filled."""
        if name not in self._fillers:
            self._fillers[name] = lambda value: self._late(name, value)
            self._fillers[name] = self._build(name)
        return self._fillers[name]

    def _late(self, name: str, value: dict[str, Any]) -> None:
        filler = self._fillers[name]
        if filler is not None:
            filler(value)

    def _build(self, name: str) -> Filler | None:
        always: list[tuple[str, _Make]] = []
        visits: dict[str, _Visit] = {}
        for field in self._model.struct(name).fields.values():
            make = self._maker(field)
            if make is not None:
                always.append((field.name, make))
            visit = self._visit(field.type)
            if visit is not None:
                visits[field.name] = visit
        return _filler(tuple(always), visits) if always or visits else None

    def _maker(self, field: Field) -> _Make | None:
        """What to put where the field is absent; None where it may stay absent."""
        kind = field.type
        if field.omit_zero or (field.omit_empty and (kind.pointer or kind.form in _ZERO)):
            return None
        if kind.pointer:
            return lambda: None
        if kind.form is Form.STRUCT:
            return lambda: self._zero_struct(kind.name)
        zero = _OPAQUE_ZERO.get(kind.name) if kind.form is Form.OPAQUE else _ZERO[kind.form]
        return lambda: zero

    def _zero_struct(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = {}
        self.complete(name, value)
        return value

    def _visit(self, kind: GoType) -> _Visit | None:
        if kind.form is Form.STRUCT:
            return self.filler(kind.name)
        if kind.form is Form.LIST or kind.form is Form.MAP:
            inner = self._visit(kind.item)
            if inner is not None:
                return _each_item(inner) if kind.form is Form.LIST else _each_value(inner)
        return None


def _filler(always: tuple[tuple[str, _Make], ...], visits: dict[str, _Visit]) -> Filler:
    visited = visits.keys()

    def fill(value: dict[str, Any]) -> None:
        for name, make in always:
            if name not in value:
                value[name] = make()
        for name in visited & value.keys():  # objects have few of the fields that their type has
            inner = value[name]
            if inner is not None:
                visits[name](inner)

    return fill


def _each_item(visit: _Visit) -> _Visit:
    def fill(items: list[Any]) -> None:
        for item in items:
            visit(item)

    return fill


def _each_value(visit: _Visit) -> _Visit:
    def fill(values: dict[str, Any]) -> None:
        for value in values.values():
            visit(value)

    return fill
