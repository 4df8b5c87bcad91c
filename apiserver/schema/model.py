"""The types of Kubernetes' API as facts: which fields a type has, what they hold, when they are written.

Everything in this folder reads these tables: decoding, patching, field management, protobuf, OpenAPI. The data is
generated (tools/README.md says from what); it is loaded once, when first asked for, and each struct is parsed when
first used, so that a server pays only for the kinds it meets.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from importlib import resources
from typing import Any

import orjson

from minikube_py.api.resources import Resource

TYPES_FILE = "types.json.gz"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
#: Types that marshal themselves: what they look like in JSON is not what their Go fields say.
TIME = f"{_META}.Time"
MICRO_TIME = f"{_META}.MicroTime"
DURATION = f"{_META}.Duration"
FIELDS_V1 = f"{_META}.FieldsV1"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"

_EXPRESSION = re.compile(r"(?P<pointer>\*?)(?:(?P<slice>\[\])|map\[(?P<key>[^\]]+)\])?(?P<rest>.+)")


class Form(Enum):
    """What a value is made of, after looking through type names and pointers."""

    STRING = "string"
    BOOL = "bool"
    INTEGER = "integer"
    FLOAT = "float"
    BYTES = "bytes"
    LIST = "list"
    MAP = "map"
    STRUCT = "struct"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class GoType:
    """A Go type. ``go`` is how Go's own errors print it; ``name`` the definition's name where it has one."""

    form: Form
    go: str
    name: str = ""
    pointer: bool = False
    element: GoType | None = None
    key: str = "string"

    @property
    def item(self) -> GoType:
        """The type of a list's items or a map's values."""
        assert self.element is not None
        return self.element


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct, with what the API's own annotations say of it."""

    name: str
    type: GoType
    omit_empty: bool
    omit_zero: bool
    number: int = 0
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    map_type: str = ""
    patch_strategies: tuple[str, ...] = ()
    merge_key: str = ""
    default: Any = None


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct: its JSON fields, inlined ones included, in Go's order; and its parts for protobuf, not flattened."""

    name: str
    fields: dict[str, Field]
    embedded: tuple[tuple[int, GoType], ...] = ()
    own: tuple[Field, ...] = ()
    map_type: str = ""
    go: str = field(default="", kw_only=True)

    @property
    def short(self) -> str:
        """The bare type name, as Go's errors name the struct."""
        return self.name.rpartition(".")[2]


class Model:
    """Every type by its OpenAPI definition name (``io.k8s.api.core.v1.Pod``)."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._types: dict[str, Any] = data["types"]
        self._whole: dict[str, dict[str, Any]] = data["whole"]
        self._kinds: dict[str, str] = data["kinds"]
        self._structs: dict[str, Struct] = {}
        self._expressions: dict[str, GoType] = {}

    @classmethod
    def load(cls) -> Model:
        """Read the packaged table (about 200 KB of JSON: some milliseconds)."""
        packed = resources.files("apiserver.schema").joinpath("data", TYPES_FILE).read_bytes()
        return cls(orjson.loads(gzip.decompress(packed)))

    @cached_property
    def kind_names(self) -> frozenset[tuple[str, str, str]]:
        """Every (group, version, kind) that the table knows."""
        return frozenset((group, version, kind) for group, version, kind in map(_split_kind, self._kinds))

    def kind(self, group: str, version: str, kind: str) -> str | None:
        """The definition's name of a kind, None where it is not known."""
        return self._kinds.get(f"{group}/{version}/{kind}")

    def of_resource(self, resource: Resource) -> Struct:
        """The struct of a served resource's objects. Raises KeyError for a kind that the table lacks."""
        return self.struct(self._kinds[f"{resource.group}/{resource.version}/{resource.kind}"])

    def struct(self, name: str) -> Struct:
        """The struct of this name. Raises KeyError."""
        found = self._structs.get(name)
        if found is None:
            found = self._structs[name] = self._read_struct(name)
        return found

    def type(self, expression: str) -> GoType:
        """The parsed form of a Go type expression such as ``map[string][]byte``."""
        found = self._expressions.get(expression)
        if found is None:
            found = self._expressions[expression] = self._read_type(expression)
        return found

    def _read_struct(self, name: str) -> Struct:
        fields: dict[str, Field] = {}
        own: list[Field] = []
        embedded: list[tuple[int, GoType]] = []
        for row in self._types[name]:
            json_name, expression, flags, number, extras = [*row, 0, 0, {}][:5] if len(row) < 5 else row
            if flags & 4:
                inner = self.type(expression)
                embedded.append((number, inner))
                fields |= self.struct(inner.name).fields
            else:
                read = self._read_field(json_name, expression, flags, number, extras or {})
                own.append(read)
                fields[json_name] = read
        map_type = self._whole.get(name, {}).get("mapType", "")
        return Struct(name, fields, tuple(embedded), tuple(own), map_type, go=_go_name(name))

    def _read_field(self, name: str, expression: str, flags: int, number: int, extras: dict[str, Any]) -> Field:
        return Field(
            name,
            self.type(expression),
            omit_empty=bool(flags & 1),
            omit_zero=bool(flags & 2),
            number=number,
            list_type=extras.get("listType", ""),
            map_keys=tuple(extras.get("keys", ())),
            map_type=extras.get("mapType", ""),
            patch_strategies=tuple(extras["patch"].split(",")) if "patch" in extras else (),
            merge_key=extras.get("mergeKey", ""),
            default=extras.get("default"),
        )

    def _read_type(self, expression: str) -> GoType:
        match = _EXPRESSION.fullmatch(expression)
        if match is None:
            raise ValueError(f"not a Go type: {expression}")
        pointer = bool(match["pointer"])
        if match["slice"] and match["rest"] == "byte":
            return GoType(Form.BYTES, "[]uint8", pointer=pointer)
        if match["slice"]:
            item = self.type(match["rest"])
            return GoType(Form.LIST, f"[]{_printed(item)}", pointer=pointer, element=item)
        if match["key"]:
            item = self.type(match["rest"])
            return GoType(Form.MAP, f"map[{_go_name(match['key'])}]{_printed(item)}", "", pointer, item, match["key"])
        return self._read_name(match["rest"], pointer)

    def _read_name(self, name: str, pointer: bool) -> GoType:
        if name in _PRIMITIVES:
            return GoType(_PRIMITIVES[name], name, pointer=pointer)
        definition = self._types[name]
        if definition is None:
            return GoType(Form.OPAQUE, _go_name(name), name, pointer)
        if isinstance(definition, list):
            return GoType(Form.STRUCT, _go_name(name), name, pointer)
        under = self.type(definition)
        return GoType(under.form, _go_name(name), name, pointer, under.element, under.key)


_PRIMITIVES = {
    "string": Form.STRING,
    "bool": Form.BOOL,
    "int": Form.INTEGER,
    "int32": Form.INTEGER,
    "int64": Form.INTEGER,
    "uint32": Form.INTEGER,
    "uint64": Form.INTEGER,
    "byte": Form.INTEGER,
    "float32": Form.FLOAT,
    "float64": Form.FLOAT,
}


def _go_name(name: str) -> str:
    """``io.k8s.api.core.v1.Pod`` -> ``v1.Pod``."""
    return ".".join(name.split(".")[-2:])


def _printed(item: GoType) -> str:
    return f"*{item.go}" if item.pointer else item.go


def _split_kind(text: str) -> tuple[str, str, str]:
    group, version, kind = text.split("/")
    return group, version, kind
