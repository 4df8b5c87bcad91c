"""The OpenAPI 2 document as the protobuf message ``openapi.v2.Document`` (gnostic's OpenAPIv2.proto).

kubectl and older clients ask for this form where there is no OpenAPI 3. Field numbers are those of the published proto
file; only what our documents contain is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from apiserver.schema.protowire import bytes_field, number_field

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_SUBSCHEMA = {"query": 3, "path": 4}
#: type and uniqueItems sit elsewhere in a path parameter than in a query parameter.
_PLACES = {"query": (6, 20), "path": (5, 19)}


def encode_document(document: dict[str, Any]) -> bytes:
    """The document's bytes."""
    return b"".join(
        (
            _text(1, document["swagger"]),
            bytes_field(2, _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])),
            bytes_field(8, _named(2, document["paths"], _path_item)),
            bytes_field(9, _named(1, document["definitions"], _schema)),
            *(bytes_field(12, _named(1, requirement, _string_array)) for requirement in document["security"]),
            bytes_field(13, _named(1, document["securityDefinitions"], _security)),
        )
    )


def _text(number: int, value: str | None) -> bytes:
    return bytes_field(number, value.encode()) if value else b""


def _texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(bytes_field(number, value.encode()) for value in values)


def _flag(number: int, value: object) -> bytes:
    return number_field(number, 1) if value else b""


def _named(number: int, entries: dict[str, Any], encode: Callable[[Any], bytes]) -> bytes:
    """A map as repeated (name, value) messages."""
    return b"".join(
        bytes_field(number, _text(1, name) + bytes_field(2, encode(value))) for name, value in entries.items()
    )


def _extensions(number: int, entries: dict[str, Any]) -> bytes:
    return _named(number, {key: value for key, value in entries.items() if key.startswith("x-")}, _any)


def _any(value: Any) -> bytes:
    return _text(2, json.dumps(value) + "\n")  # a YAML text, of which JSON is one


def _string_array(values: Iterable[str]) -> bytes:
    return _texts(1, values)


def _security(item: dict[str, Any]) -> bytes:
    key = _text(1, item["type"]) + _text(2, item["name"]) + _text(3, item["in"]) + _text(4, item.get("description"))
    return bytes_field(2, key)


def _path_item(item: dict[str, Any]) -> bytes:
    parts = [bytes_field(number, _operation(item[method])) for method, number in _METHODS.items() if method in item]
    parts += [bytes_field(9, bytes_field(1, _parameter(found))) for found in item.get("parameters", ())]
    return b"".join(parts)


def _operation(operation: dict[str, Any]) -> bytes:
    return b"".join(
        (
            _texts(1, operation["tags"]),
            _text(3, operation["description"]),
            _text(5, operation["operationId"]),
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            *(bytes_field(8, bytes_field(1, _parameter(found))) for found in operation.get("parameters", ())),
            bytes_field(9, _named(1, operation["responses"], _response_value)),
            _texts(10, operation["schemes"]),
            _extensions(13, operation),
        )
    )


def _parameter(found: dict[str, Any]) -> bytes:
    place = found["in"]
    if place == "body":
        name = _text(2, found["name"]) + _text(3, place) + _flag(4, found.get("required"))
        return bytes_field(1, name + bytes_field(5, _schema(found["schema"])))
    type_number, unique_number = _PLACES[place]
    inner = b"".join(
        (
            _flag(1, found.get("required")),
            _text(2, place),
            _text(3, found.get("description")),
            _text(4, found["name"]),
            _text(type_number, found["type"]),
            _flag(unique_number, found.get("uniqueItems")),
        )
    )
    return bytes_field(2, bytes_field(_SUBSCHEMA[place], inner))


def _response_value(response: dict[str, Any]) -> bytes:
    schema = bytes_field(2, bytes_field(1, _schema(response["schema"]))) if "schema" in response else b""
    return bytes_field(1, _text(1, response["description"]) + schema)


def _schema(schema: dict[str, Any]) -> bytes:
    parts = [
        _text(1, schema.get("$ref")),
        _text(2, schema.get("format")),
        _text(4, schema.get("description")),
        bytes_field(5, _any(schema["default"])) if "default" in schema else b"",
        _texts(19, schema.get("required", ())),
        *(bytes_field(20, _any(value)) for value in schema.get("enum", ())),
    ]
    if "additionalProperties" in schema:
        parts.append(bytes_field(21, bytes_field(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(bytes_field(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(bytes_field(23, bytes_field(1, _schema(schema["items"]))))
    if "properties" in schema:
        parts.append(bytes_field(25, _named(1, schema["properties"], _schema)))
    parts.append(_extensions(31, schema))
    return b"".join(parts)
