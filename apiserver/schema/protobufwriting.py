"""Objects written as protobuf messages: a writer per type, built when first needed, its tags worked out beforehand.

The mirror of ``protobuf``, which reads. Fields are written in the order in which the object has them (readers take any
order), and what is absent or null is not written: the reader's zero value stands for it.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import orjson

from apiserver.schema.model import (
    DURATION,
    FIELDS_V1,
    INT_OR_STRING,
    MICRO_TIME,
    QUANTITY,
    RAW_EXTENSION,
    TIME,
    Field,
    Form,
    GoType,
    Model,
    Struct,
)
from apiserver.schema.protowire import BYTES, FIXED64, VARINT, WireProblem, bytes_field, number_field, varint
from apiserver.schema.wireforms import nanoseconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Writes a value as a field, tag included.
Writer = Callable[[Any], bytes]
#: Writes an object's fields, without tag and length.
Fields = Callable[[Mapping[str, Any]], bytes]

#: Values that a field remembers, and the longest fields among them: some ten kilobytes for a field with many values.
_MOST_REMEMBERED = 256
_LONGEST_REMEMBERED = 96
#: The same for lists of structs, which replicas have alike: the containers of a template, its volumes.
_MOST_LISTS = 64
_LONGEST_LIST = 4096


class ProtobufWriter:
    """Writes the messages of every struct of a model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._structs: dict[str, Fields] = {}

    def encode(self, name: str, value: Mapping[str, Any]) -> bytes:
        """The message of an object of the struct ``name``. Raises WireProblem for values that are not of its type."""
        try:
            return self._struct(name)(value)
        except (TypeError, AttributeError, ValueError, struct.error) as error:
            raise WireProblem(f"not a {name}: {error}") from None

    def _struct(self, name: str) -> Fields:
        found = self._structs.get(name)
        if found is None:
            self._structs[name] = lambda value: self._structs[name](value)  # for types that contain themselves
            found = self._structs[name] = self._build(self._model.struct(name))
        return found

    def _build(self, described: Struct) -> Fields:
        writers = {field.name: self._field(field) for field in described.own if field.number}
        inlined = [(_tag(number, BYTES), self._inlined(inner)) for number, inner in described.embedded if number]
        return _with_inlined(_fields(writers), inlined) if inlined else _fields(writers)

    def _inlined(self, inner: GoType) -> Fields:
        """An embedded struct is a message of its own on the wire, and its fields are the outer object's in JSON."""
        return self._struct(inner.name)

    def _field(self, field: Field) -> Writer:
        return self._writer(field.type, field.number)

    def _writer(self, kind: GoType, number: int) -> Writer:
        if kind.form is Form.STRUCT:
            return _message(_tag(number, BYTES), self._struct(kind.name))
        if kind.form is Form.LIST:
            if kind.name:  # a named list travels as a message of its own
                return _message(_tag(number, BYTES), _items(self._writer(kind.item, 1)))
            items = _items(self._writer(kind.item, number))
            return _remembering_lists(items) if kind.item.form is Form.STRUCT else items
        if kind.form is Form.MAP:
            write_entry = _entry(_tag(number, BYTES), self._writer(kind.item, 2))
            return _map(_remembering(write_entry) if _is_remembered(kind.item) else write_entry)
        written = self._scalar(kind, number)
        return _remembering(written) if _is_remembered(kind) else written

    def _scalar(self, kind: GoType, number: int) -> Writer:
        if kind.form is Form.OPAQUE:
            return _opaque(_tag(number, BYTES), _OPAQUE[kind.name])
        return _SCALARS[kind.form](number)


def _is_remembered(kind: GoType) -> bool:
    """Whether values of the type are hashable and short as a rule. (True is 1 to a dict: no type here has both.)"""
    if kind.form is Form.OPAQUE:
        return kind.name in _REMEMBERED_OPAQUE
    return kind.form in (Form.STRING, Form.BOOL, Form.INTEGER)


class _Remembered(dict[Any, bytes]):
    """The fields that ``write`` made of values. Objects repeat each other's: a lookup costs a tenth of the writing."""

    def __init__(self, write: Writer) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, value: Any) -> bytes:
        made = self._write(value)
        if len(made) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[value] = made
        return made


def _remembering(write: Writer) -> Writer:
    return _Remembered(write).__getitem__


def _remembering_lists(write: Writer) -> Writer:
    """Lists are known again by their JSON, which costs a tenth of their message."""
    known: dict[bytes, bytes] = {}

    def write_list(items: Any) -> bytes:
        text = orjson.dumps(items)
        made = known.get(text)
        if made is None:
            made = write(items)
            if len(text) <= _LONGEST_LIST:
                if len(known) >= _MOST_LISTS:
                    known.clear()
                known[text] = made
        return made

    return write_list


def _tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


#: The lengths that most fields have.
_SHORT = tuple(bytes([length]) for length in range(128))


def _length(size: int) -> bytes:
    if size < 128:
        return _SHORT[size]
    return bytes((size & 0x7F | 0x80, size >> 7)) if size < 1 << 14 else varint(size)


def _fields(writers: Mapping[str, Writer]) -> Fields:
    known = writers.get

    def write(value: Mapping[str, Any]) -> bytes:
        parts = []
        for name, item in value.items():
            if item is not None:
                writer = known(name)
                if writer is not None:
                    parts.append(writer(item))
        return b"".join(parts)

    return write


def _with_inlined(own: Fields, inlined: list[tuple[bytes, Fields]]) -> Fields:
    def write(value: Mapping[str, Any]) -> bytes:
        parts = [own(value)]
        for tag, inner in inlined:
            message = inner(value)
            parts += (tag, _length(len(message)), message)
        return b"".join(parts)

    return write


def _message(tag: bytes, fields: Callable[[Any], bytes]) -> Writer:
    def write(value: Any) -> bytes:
        message = fields(value)
        size = len(message)
        return tag + (_SHORT[size] if size < 128 else _length(size)) + message

    return write


def _items(write: Writer) -> Writer:
    return lambda items: b"".join([write(item) for item in items])


def _map(write_entry: Writer) -> Writer:
    """A map as its entries in the order of keys, as Go writes it."""
    return lambda values: b"".join([write_entry(entry) for entry in sorted(values.items(), key=_key)])


_key = itemgetter(0)


def _entry(tag: bytes, write: Writer) -> Writer:
    def write_entry(entry: tuple[str, Any]) -> bytes:
        name = entry[0].encode()
        message = b"\x0a" + _length(len(name)) + name + write(entry[1])
        return tag + _length(len(message)) + message

    return write_entry


def _opaque(tag: bytes, make: Callable[[Any], bytes]) -> Writer:
    def write(value: Any) -> bytes:
        message = b"" if value is None else make(value)
        return tag + _length(len(message)) + message

    return write


def _text(number: int) -> Writer:
    tag = _tag(number, BYTES)

    def write(value: str) -> bytes:
        text = value.encode()
        return tag + _length(len(text)) + text

    return write


def _bool(number: int) -> Writer:
    yes, no = number_field(number, 1), number_field(number, 0)
    return lambda value: yes if value else no


def _integer(number: int) -> Writer:
    tag = _tag(number, VARINT)
    return lambda value: tag + (_SHORT[value] if 0 <= value < 128 else varint(value))


def _float(number: int) -> Writer:
    tag = _tag(number, FIXED64)
    return lambda value: tag + struct.pack("<d", value)


def _bytes(number: int) -> Writer:
    tag = _tag(number, BYTES)

    def write(value: str) -> bytes:
        data = base64.b64decode(value)
        return tag + _length(len(data)) + data

    return write


_SCALARS: dict[Form, Callable[[int], Writer]] = {
    Form.STRING: _text,
    Form.BOOL: _bool,
    Form.INTEGER: _integer,
    Form.FLOAT: _float,
    Form.BYTES: _bytes,
}


def _time(value: str) -> bytes:
    moment = datetime.fromisoformat(value) - _EPOCH
    return number_field(1, moment.days * 86_400 + moment.seconds) + number_field(2, moment.microseconds * 1000)


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return number_field(1, 1) + number_field(2, 0) + bytes_field(3, value.encode())
    return number_field(1, 0) + number_field(2, value) + bytes_field(3, b"")


def _json(value: Any) -> bytes:
    text = orjson.dumps(value)
    return b"\x0a" + _length(len(text)) + text


_OPAQUE: dict[str, Callable[[Any], bytes]] = {
    TIME: _time,
    MICRO_TIME: _time,
    DURATION: lambda value: number_field(1, nanoseconds(value)),
    QUANTITY: lambda value: bytes_field(1, value.encode()),
    INT_OR_STRING: _int_or_string,
    RAW_EXTENSION: _json,
    FIELDS_V1: _json,
}
_REMEMBERED_OPAQUE = frozenset({TIME, MICRO_TIME, DURATION, QUANTITY, INT_OR_STRING})
