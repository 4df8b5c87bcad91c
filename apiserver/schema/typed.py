"""Decoding parsed JSON into the minimal form of a Kubernetes type: checked, pruned, canonical.

A request body says more and less than the type it stands for: fields nobody knows, nulls, empty lists, ``0.5`` for
``500m``. Here it becomes what a Go server would hold after unmarshalling: unknown fields are dropped (and
reported), nulls and empty values of fields that are not pointers vanish, self-marshalling types take their
canonical form. So *absent* and *zero* are one, which is what defaulting and comparison want;
``apiserver.schema.complete`` adds the zeros that Go always writes.

Errors carry the words of ``encoding/json`` (Go) as forked in ``sigs.k8s.io/json``: the first wrong type ends the
decoding; unknown fields are collected with their paths.

Each type becomes a closure on first use; nothing is built for kinds that never arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.schema import wireforms
from apiserver.schema.jsontext import Repeated, SyntaxProblem, check_writable
from apiserver.schema.model import (
    DURATION,
    FIELDS_V1,
    INT_OR_STRING,
    MICRO_TIME,
    QUANTITY,
    RAW_EXTENSION,
    TIME,
    Form,
    GoType,
    Model,
    Struct,
)

#: Where decoding stands: (outer place, field name or list index or map key, name of the struct whose field it is
#: or "").
Place = tuple[Any, str | int, str] | None
Decoder = Callable[[Any, Place, list[str]], Any]

_MOST_REPORTS = 100
_INT_RANGES = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "uint32": (0, (1 << 32) - 1),
    "byte": (0, 255),
    "uint64": (0, (1 << 64) - 1),
}
_INT64 = (-(1 << 63), (1 << 63) - 1)


class DecodeError(ValueError):
    """The value cannot be held by the type. The message is Go's.

    ``given``, ``form`` and ``wanted`` (a Go type) are set where it is of the wrong JSON type: patches word that
    differently.
    """

    def __init__(self, message: str, *, given: Any = None, form: Form | None = None, wanted: str = "") -> None:
        super().__init__(message)
        self.given = given
        self.form = form
        self.wanted = wanted


class TypedDecoders:
    """The decoders of every type of a model, built when first asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._structs: dict[str, Decoder] = {}

    def decode(self, name: str, value: Any, strict: list[str]) -> Any:
        """The minimal form of ``value`` as the type ``name``; unknown fields are added to ``strict``.

        Raises DecodeError. Leaves ``value`` unchanged; free-form parts (raw extensions) are shared with it.
        """
        return self.struct(name)(value, None, strict)

    def struct(self, name: str) -> Decoder:
        """The decoder of a struct. Recursive types (JSONSchemaProps) meet their own decoder when they run."""
        found = self._structs.get(name)
        if found is None:
            self._structs[name] = lambda value, place, strict: self._structs[name](value, place, strict)
            found = self._structs[name] = self._build_struct(self._model.struct(name))
        return found

    def of_type(self, kind: GoType) -> Decoder:
        """The decoder of any type."""
        if kind.form is Form.STRUCT:
            return self.struct(kind.name)
        if kind.form is Form.LIST:
            return _list(kind, self.of_type(kind.item))
        if kind.form is Form.MAP:
            return _map(kind, self.of_type(kind.item))
        if kind.form is Form.OPAQUE:
            return _OPAQUE.get(kind.name, _anything)
        return _SCALARS[kind.form](kind)

    def _build_struct(self, struct: Struct) -> Decoder:
        fields: dict[str, tuple[type | None, bool, Decoder]] = {}
        for name, field in struct.fields.items():
            kind = field.type
            plain = {Form.STRING: str, Form.BOOL: bool}.get(kind.form)
            scalar = kind.form in _SCALARS and kind.form is not Form.BYTES
            keep_zero = kind.pointer or (scalar and not field.omit_empty) or kind.form is Form.OPAQUE
            if kind.name == INT_OR_STRING:
                keep_zero = kind.pointer
            fields[name] = (plain, keep_zero, self.of_type(kind))
        return _struct(struct, fields)


def _struct(struct: Struct, fields: dict[str, tuple[type | None, bool, Decoder]]) -> Decoder:
    known = fields.get
    owner, go = struct.short, struct.go

    def decode(value: Any, place: Place, strict: list[str]) -> Any:
        if value.__class__ is not dict:
            if value is None:
                return {}
            if isinstance(value, Repeated):
                return _in_turn(value, known, decode, (place, owner), strict)
            raise mismatch(value, Form.STRUCT, go, place)
        result = {}
        for key, item in value.items():
            found = known(key)
            if found is None:
                report(strict, "unknown field", (place, key, owner))
            elif item is not None:
                plain, keep_zero, decode_item = found
                if item.__class__ is not plain:
                    item = decode_item(item, (place, key, owner), strict)
                if item or (keep_zero and item is not None):
                    result[key] = item
        return result

    return decode


def _in_turn(
    value: Repeated, known: Callable[[str], Any] | None, decode: Decoder, where: tuple[Place, str], strict: list[str]
) -> dict[str, Any]:
    """An object whose text said keys twice: reported among its other problems, in the order of the text."""
    place, owner = where
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key in value.again and (known is None or known(key) is not None):
            report(strict, "duplicate field", (place, key, owner))
        result |= decode({key: item}, place, strict)
    return result


def _list(kind: GoType, decode_item: Decoder) -> Decoder:
    go = kind.go
    strings = kind.item.form is Form.STRING

    def decode(value: Any, place: Place, strict: list[str]) -> Any:
        if value.__class__ is not list:
            if value is None:
                return []
            raise mismatch(value, Form.LIST, go, place)
        if strings:
            return [
                item if item.__class__ is str else decode_item(item, (place, index, ""), strict)
                for index, item in enumerate(value)
            ]
        return [decode_item(item, (place, index, ""), strict) for index, item in enumerate(value)]

    return decode


def _map(kind: GoType, decode_item: Decoder) -> Decoder:
    go = kind.go
    strings = kind.item.form is Form.STRING

    def decode(value: Any, place: Place, strict: list[str]) -> Any:
        if value.__class__ is not dict:
            if value is None:
                return {}
            if isinstance(value, Repeated):
                return _in_turn(value, None, decode, (place, ""), strict)
            raise mismatch(value, Form.MAP, go, place)
        if strings:
            return {
                key: item if item.__class__ is str else decode_item(item, (place, key, ""), strict)
                for key, item in value.items()
            }
        return {key: decode_item(item, (place, key, ""), strict) for key, item in value.items()}

    return decode


def _string(kind: GoType) -> Decoder:
    go = kind.go

    def decode(value: Any, place: Place, _strict: list[str]) -> Any:
        if value.__class__ is str:
            return value
        if value is None:
            return ""
        raise mismatch(value, Form.STRING, go, place)

    return decode


def _bool(kind: GoType) -> Decoder:
    go = kind.go

    def decode(value: Any, place: Place, _strict: list[str]) -> Any:
        if value.__class__ is bool:
            return value
        if value is None:
            return False
        raise mismatch(value, Form.BOOL, go, place)

    return decode


def _integer(kind: GoType) -> Decoder:
    go = kind.go
    low, high = _INT_RANGES.get(go, _INT64)

    def decode(value: Any, place: Place, _strict: list[str]) -> Any:
        if value.__class__ is int and low <= value <= high:
            return value
        if value is None:
            return 0
        raise mismatch(value, Form.INTEGER, go, place)

    return decode


def _float(kind: GoType) -> Decoder:
    go = kind.go

    def decode(value: Any, place: Place, _strict: list[str]) -> Any:
        if value.__class__ is float or value.__class__ is int:
            return value
        if value is None:
            return 0
        raise mismatch(value, Form.FLOAT, go, place)

    return decode


def _bytes(kind: GoType) -> Decoder:
    go = kind.go

    def decode(value: Any, place: Place, _strict: list[str]) -> Any:
        if value.__class__ is not str:
            if value is None:
                return ""
            raise mismatch(value, Form.BYTES, go, place)
        try:
            return wireforms.canonical_bytes(value)
        except ValueError as error:
            raise DecodeError(str(error)) from None

    return decode


_SCALARS: dict[Form, Callable[[GoType], Decoder]] = {
    Form.STRING: _string,
    Form.BOOL: _bool,
    Form.INTEGER: _integer,
    Form.FLOAT: _float,
    Form.BYTES: _bytes,
}


def _quantity(value: Any, _place: Place, _strict: list[str]) -> Any:
    if value is None:
        return "0"
    if value.__class__ is bool or not isinstance(value, str | int | float):
        raise DecodeError(wireforms.WRONG_FORMAT)
    try:
        return wireforms.quantity(value.strip() if value.__class__ is str else str(value))
    except ValueError as error:
        raise DecodeError(str(error)) from None


def _text(canonical: Callable[[str], str]) -> Decoder:
    """A type that is a string on the wire: null leaves it unset."""

    def decode(value: Any, place: Place, _strict: list[str]) -> Any:
        if value is None:
            return None
        if value.__class__ is not str:
            raise mismatch(value, Form.STRING, "string", place)
        try:
            return canonical(value)
        except ValueError as error:
            raise DecodeError(str(error)) from None

    return decode


def _int_or_string(value: Any, place: Place, _strict: list[str]) -> Any:
    if value.__class__ is str:
        return value
    if value is None:
        return 0
    if value.__class__ is int and -(1 << 31) <= value < 1 << 31:
        return value
    raise mismatch(value, Form.INTEGER, "int32", place)


def _anything(value: Any, _place: Place, _strict: list[str]) -> Any:
    try:
        check_writable(value)
    except SyntaxProblem as problem:
        raise DecodeError(str(problem)) from None
    return value


_OPAQUE: dict[str, Decoder] = {
    QUANTITY: _quantity,
    TIME: _text(wireforms.canonical_time),
    MICRO_TIME: _text(wireforms.canonical_micro_time),
    DURATION: _text(wireforms.canonical_duration),
    INT_OR_STRING: _int_or_string,
    RAW_EXTENSION: _anything,
    FIELDS_V1: _anything,
}


def mismatch(value: Any, form: Form, go: str, place: Place) -> DecodeError:
    """Go's ``UnmarshalTypeError``; where an integer was wanted the offending number itself is named."""
    shown = _described(value, form is Form.INTEGER)
    names: list[str] = []
    owner = ""
    step = place
    while step is not None:
        step, label, struct = step
        if struct:
            names.append(str(label))
            owner = owner or struct
    if not owner:
        text = f"json: cannot unmarshal {shown} into Go value of type {go}"
        return DecodeError(text, given=value, form=form, wanted=go)
    path = ".".join(reversed(names))
    text = f"json: cannot unmarshal {shown} into Go struct field {owner}.{path} of type {go}"
    return DecodeError(text, given=value, form=form, wanted=go)


def _described(value: Any, number: bool) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if number else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def report(strict: list[str], what: str, place: Place) -> None:
    """Note an unknown or duplicate field once, up to the limit at which upstream stops counting."""
    text = f'{what} "{path_text(place)}"'
    if len(strict) < _MOST_REPORTS and text not in strict:
        strict.append(text)


def path_text(place: Place) -> str:
    """``spec.containers[0].image``."""
    labels: list[str] = []
    while place is not None:
        place, label, _ = place
        labels.append(f"[{label}]" if isinstance(label, int) else f".{label}")
    return "".join(reversed(labels)).lstrip(".")
