"""Objects in Kubernetes' protobuf form, read by the field numbers of the model (``protobufwriting`` writes them).

kubectl's ``create`` commands, helm and client-go controllers send ``application/vnd.kubernetes.protobuf``: four
magic bytes and a ``runtime.Unknown`` that names the kind and holds the object's message. It is decoded at the edge
into JSON form; everything inside the server is JSON. Go writes zero values of plain fields and leaves out nil
pointers, so the result still has to take its minimal form (``typed``), which knows pointers from plain fields.

Format: ``apimachinery/pkg/runtime/serializer/protobuf`` and the published ``generated.proto`` files.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from apiserver.schema import jsontext, protowire
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
)
from apiserver.schema.protowire import WireProblem, bytes_field, signed
from apiserver.schema.wireforms import format_duration

MAGIC = b"k8s\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Reader = Callable[[Any], Any]


class Envelope(NamedTuple):
    """What ``runtime.Unknown`` says: the object's kind and its message."""

    api_version: str
    kind: str
    raw: bytes


def open_envelope(body: bytes) -> Envelope:
    """Take a request body apart. Raises WireProblem."""
    if not body.startswith(MAGIC):
        expected = " ".join(str(byte) for byte in MAGIC)
        raise WireProblem(f"provided data does not appear to be a protobuf message, expected prefix [{expected}]")
    found = {1: b"", 2: b""}
    for number, value in protowire.fields(body[len(MAGIC) :]):
        if number in found:
            found[number] = _bytes(value)
    meta = {number: _text(value) for number, value in protowire.fields(found[1])}
    return Envelope(meta.get(1, ""), meta.get(2, ""), found[2])


def seal_envelope(envelope: Envelope) -> bytes:
    """The reverse of ``open_envelope``."""
    meta = bytes_field(1, envelope.api_version.encode()) + bytes_field(2, envelope.kind.encode())
    return MAGIC + bytes_field(1, meta) + bytes_field(2, envelope.raw) + bytes_field(3, b"") + bytes_field(4, b"")


class ProtobufReader:
    """Reads the messages of every struct of a model; tables are built when first needed."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._readers: dict[str, dict[int, tuple[str, str, Reader]]] = {}

    def decode(self, name: str, message: bytes) -> dict[str, Any]:
        """A message of the struct ``name`` in JSON form. Unknown fields are passed over. Raises WireProblem."""
        table = self._readers.get(name) or self._read_table(name)
        result: dict[str, Any] = {}
        for number, value in protowire.fields(message):
            entry = table.get(number)
            if entry is None:
                continue
            field, mode, read = entry
            if mode == "one":
                result[field] = read(value)
            elif mode == "inline":
                result.update(read(value))
            elif mode == "list":
                result.setdefault(field, []).extend(read(value))
            else:
                key, item = read(value)
                result.setdefault(field, {})[key] = item
        return result

    def _read_table(self, name: str) -> dict[int, tuple[str, str, Reader]]:
        described = self._model.struct(name)
        table: dict[int, tuple[str, str, Reader]] = self._readers.setdefault(name, {})
        for number, inner in described.embedded:
            if number:
                table[number] = ("", "inline", self._message_reader(inner.name))
        for field in described.own:
            if field.number:
                mode, read = self._field_reader(field)
                table[field.number] = (field.name, mode, read)
        return table

    def _field_reader(self, field: Field) -> tuple[str, Reader]:
        kind = field.type
        if kind.form is Form.LIST and not kind.name:
            return "list", self._items_reader(kind.item)
        if kind.form is Form.MAP:
            return "map", self._entry_reader(kind)
        return "one", self._reader(kind)

    def _message_reader(self, name: str) -> Reader:
        return lambda value: self.decode(name, _bytes(value))

    def _reader(self, kind: GoType) -> Reader:
        if kind.form is Form.STRUCT:
            return self._message_reader(kind.name)
        if kind.form is Form.LIST:  # a named list travels as a message of its own
            items = self._items_reader(kind.item)
            return lambda value: [item for _, raw in protowire.fields(_bytes(value)) for item in items(raw)]
        if kind.form is Form.INTEGER:
            bits = 32 if kind.go.endswith("32") else 64
            return lambda value: signed(_number(value), bits)
        if kind.form is Form.OPAQUE:
            return _OPAQUE_READERS[kind.name]
        return _SCALAR_READERS[kind.form]

    def _items_reader(self, item: GoType) -> Reader:
        read = self._reader(item)
        if item.form is Form.INTEGER:
            return lambda value: [read(value)] if isinstance(value, int) else _packed(value, read)
        return lambda value: [read(value)]

    def _entry_reader(self, kind: GoType) -> Reader:
        read = self._reader(kind.item)
        missing = {Form.STRING: "", Form.BYTES: "", Form.STRUCT: {}, Form.LIST: []}.get(kind.item.form, "0")

        def read_entry(value: Any) -> tuple[str, Any]:
            key, item = "", missing
            for number, raw in protowire.fields(_bytes(value)):
                if number == 1:
                    key = _text(raw)
                elif number == 2:
                    item = read(raw)
            return key, item

        return read_entry


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise WireProblem("proto: wrong wireType = 0")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise WireProblem("proto: wrong wireType = 2")
    return value


def _text(value: Any) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _double(value: Any) -> float:
    if not isinstance(value, bytes) or len(value) != 8:
        raise WireProblem("proto: wrong wireType")
    found: float = struct.unpack("<d", value)[0]
    return found


def _packed(value: bytes, read: Reader) -> list[Any]:
    items, at = [], 0
    while at < len(value):
        number, at = protowire.read_varint(value, at)
        items.append(read(number))
    return items


def _parts(value: Any) -> dict[int, Any]:
    return dict(protowire.fields(_bytes(value)))


def _instant(value: Any) -> datetime | None:
    """A Timestamp; Go's zero time travels as an empty message."""
    parts = _parts(value)
    if not parts:
        return None
    seconds = signed(_number(parts.get(1, 0)))
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=_number(parts.get(2, 0)) // 1000)
    except OverflowError:
        raise WireProblem(f"time out of range: {seconds} seconds") from None


def _read_time(value: Any) -> str | None:
    moment = _instant(value)
    return moment.strftime("%4Y-%m-%dT%H:%M:%SZ") if moment else None


def _read_micro_time(value: Any) -> str | None:
    moment = _instant(value)
    return moment.strftime("%4Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _read_int_or_string(value: Any) -> int | str:
    parts = _parts(value)
    if _number(parts.get(1, 0)) == 1:
        return _text(parts.get(3, b""))
    return signed(_number(parts.get(2, 0)), 32)


def _read_json(value: Any) -> Any:
    raw = _parts(value).get(1)
    if not raw:
        return None
    try:
        return jsontext.parse(_bytes(raw))
    except jsontext.SyntaxProblem as error:
        raise WireProblem(str(error)) from None


_SCALAR_READERS: dict[Form, Reader] = {
    Form.STRING: _text,
    Form.BOOL: lambda value: _number(value) != 0,
    Form.FLOAT: _double,
    Form.BYTES: lambda value: base64.b64encode(_bytes(value)).decode(),
}
_OPAQUE_READERS: dict[str, Reader] = {
    TIME: _read_time,
    MICRO_TIME: _read_micro_time,
    DURATION: lambda value: format_duration(signed(_number(_parts(value).get(1, 0)))),
    QUANTITY: lambda value: _text(_parts(value).get(1, b"0")) or "0",
    INT_OR_STRING: _read_int_or_string,
    RAW_EXTENSION: _read_json,
    FIELDS_V1: _read_json,
}
