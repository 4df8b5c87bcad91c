"""The OpenAPI documents: version 3 by group version, version 2 whole, built when first asked for and kept compressed.

The definitions carry a megabyte of descriptions that nothing else needs, so they are read, used and dropped again.
An index answers with hashes; they are made from what the documents are made from, so that nobody waits for twenty
documents to be built in order to read one.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources as package_files
from itertools import groupby
from threading import Lock
from typing import Any

import orjson

from apiserver.schema.model import INT_OR_STRING, QUANTITY, Field, Form, GoType, Model
from apiserver.schema.openapi_protobuf import encode_document
from apiserver.schema.operations import as_v2, paths
from minikube_py.api.resources import KUBERNETES_VERSION, Resource

Definitions = dict[str, dict[str, Any]]

OPENAPI_FILE = "openapi.json.gz"
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PREFIX = "#/definitions/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
#: Schemas that every group's document has: what any request or answer may be made of.
_COMMON = tuple(f"{_META}.{name}" for name in ("APIResourceList", "DeleteOptions", "Patch", "Status", "WatchEvent"))
_SECURITY = {"type": "apiKey", "name": "authorization", "in": "header", "description": "Bearer Token authentication"}
_V3_FORMS: Definitions = {
    INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
_ZEROS = {Form.STRING: "", Form.INTEGER: 0, Form.FLOAT: 0, Form.BOOL: False}


@dataclass(frozen=True, slots=True)
class Packed:
    """A document as gzip (RFC 1952), which every client takes; ``plain`` for the one that does not."""

    compressed: bytes
    content_type: str
    etag: str

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.compressed)


@dataclass(frozen=True, slots=True)
class Redirect:
    """The document is (301) at another URL: its hash has changed."""

    location: str


class OpenAPI:
    """The documents for a fixed set of resources; a changed set is a new OpenAPI. May be asked by several threads."""

    def __init__(self, model: Model, resources: Iterable[Resource]) -> None:
        self._model = model
        ordered = sorted(resources, key=lambda resource: (resource.group, resource.version))
        self._groups = {
            _group_path(key): list(found)
            for key, found in groupby(ordered, key=lambda resource: (resource.group, resource.version))
        }
        self._documents: dict[str, Packed] = {}
        self._building = Lock()

    @cached_property
    def _source_hash(self) -> bytes:
        return hashlib.sha512(_packed_definitions()).digest()

    def answer(self, path: str, accept: str = "", known_hash: str = "") -> Packed | Redirect | None:
        """The document at a path under ``/openapi/v2`` or ``/openapi/v3``; None where there is none.

        ``known_hash`` is the query parameter ``hash``: an outdated one leads to the URL of the present document.
        Send a Packed with ``Content-Encoding: gzip`` where the client accepts it, with ETag and ``Vary: Accept``,
        and with ``Cache-Control: public, immutable`` where a hash was given.
        """
        path = path.rstrip("/")
        if path == "/openapi/v2":
            return self.v2(protobuf="proto-openapi" in accept)
        if path == "/openapi/v3":
            body = self.index()
            return _pack(body, "application/json", hashlib.sha512(body).hexdigest().upper())
        group = path.removeprefix("/openapi/v3/")
        if not path.startswith("/openapi/v3/") or group not in self._groups:
            return None
        if known_hash and known_hash != self.hash_of(group):
            return Redirect(f"/openapi/v3/{group}?hash={self.hash_of(group)}")
        return self.v3(group)

    def index(self) -> bytes:
        """``/openapi/v3``: where each group version's document is, by a URL that changes with its content."""
        found = {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash_of(path)}"} for path in self._groups}
        return orjson.dumps({"paths": found}, option=orjson.OPT_SORT_KEYS)

    def paths(self) -> list[str]:
        """The path of every group version that has a document."""
        return [f"/{path}" for path in self._groups]

    def hash_of(self, path: str) -> str:
        """The hash of the document at ``/openapi/v3/{path}``. Raises KeyError."""
        basis = self._source_hash + repr(self._groups[path]).encode()
        return hashlib.sha512(basis).hexdigest().upper()

    def v3(self, path: str) -> Packed | None:
        """The document of a group version (``api/v1``, ``apis/apps/v1``), None where it is not served."""
        if path not in self._groups:
            return None
        with self._building:
            if path not in self._documents:
                body = orjson.dumps(self._build_v3(self._groups[path]))
                self._documents[path] = _pack(body, "application/json", self.hash_of(path))
        return self._documents[path]

    def v2(self, *, protobuf: bool = False) -> Packed:
        """``/openapi/v2`` in JSON or as the protobuf message that old clients want."""
        name = "v2 protobuf" if protobuf else "v2"
        with self._building:
            if name not in self._documents:
                document = self._build_v2()
                body = encode_document(document) if protobuf else orjson.dumps(document)
                content_type = V2_PROTOBUF if protobuf else "application/json"
                self._documents[name] = _pack(body, content_type, hashlib.sha512(body).hexdigest().upper())
        return self._documents[name]

    def _build_v3(self, group: list[Resource]) -> dict[str, Any]:
        definitions = load_definitions()
        items = paths(group, self._kind_names())
        wanted = {*_COMMON, *_named(items, "#/components/schemas/")}
        schemas = {name: self._schema_v3(name, definitions) for name in sorted(_reachable(definitions, wanted))}
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": KUBERNETES_VERSION},
            "paths": items,
            "components": {"schemas": schemas, "securitySchemes": {"BearerToken": _SECURITY}},
        }

    def _build_v2(self) -> dict[str, Any]:
        definitions = load_definitions()
        items = {path: as_v2(item) for path, item in paths(self._all(), self._kind_names()).items()}
        wanted = _reachable(definitions, {*_COMMON, *_named(items, _PREFIX)})
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": KUBERNETES_VERSION},
            "paths": items,
            "definitions": {name: definitions[name] for name in sorted(wanted)},
            "securityDefinitions": {"BearerToken": _SECURITY},
            "security": [{"BearerToken": []}],
        }

    def _all(self) -> list[Resource]:
        return [resource for found in self._groups.values() for resource in found]

    def _kind_names(self) -> dict[tuple[str, str, str], str]:
        return {key: name for key in self._model.kind_names if (name := self._model.kind(*key)) is not None}

    def _schema_v3(self, name: str, definitions: Definitions) -> dict[str, Any]:
        definition = definitions[name]
        if name in _V3_FORMS:
            return {key: value for key, value in definition.items() if key == "description"} | _V3_FORMS[name]
        if "properties" not in definition:
            return definition
        fields = self._fields(name)
        properties = {key: _property_v3(value, fields.get(key)) for key, value in definition["properties"].items()}
        return definition | {"properties": properties}

    def _fields(self, name: str) -> dict[str, Field]:
        try:
            return self._model.struct(name).fields
        except (KeyError, TypeError):
            return {}


def load_definitions() -> Definitions:
    """The published definitions with their descriptions. Large: use and drop."""
    definitions: Definitions = orjson.loads(gzip.decompress(_packed_definitions()))
    return definitions


def _packed_definitions() -> bytes:
    return package_files.files("apiserver.schema").joinpath("data", OPENAPI_FILE).read_bytes()


def _pack(body: bytes, content_type: str, etag: str) -> Packed:
    return Packed(gzip.compress(body, 5, mtime=0), content_type, f'"{etag}"')


def _group_path(key: tuple[str, str]) -> str:
    group, version = key
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _named(value: Any, prefix: str) -> set[str]:
    return set(re.findall(rf'"{re.escape(prefix)}([^"]+)"', orjson.dumps(value).decode()))


def _reachable(definitions: Definitions, wanted: set[str]) -> set[str]:
    seen: set[str] = set()
    queue = list(wanted)
    while queue:
        name = queue.pop()
        if name in definitions and name not in seen:
            seen.add(name)
            queue.extend(_references(definitions[name]))
    return seen


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_PREFIX)
        for item in value.values():
            yield from _references(item)


def _property_v3(schema: dict[str, Any], field: Field | None) -> dict[str, Any]:
    result = _value_v3(schema, field.type if field else None)
    if field is None:
        return result
    if field.default is not None:
        result["default"] = field.default
    elif not field.type.pointer and not field.omit_empty and field.type.form in _ZEROS:
        result.setdefault("default", _ZEROS[field.type.form])
    return result


def _value_v3(schema: dict[str, Any], kind: GoType | None) -> dict[str, Any]:
    """A property or item in OpenAPI 3 form: nothing may stand beside a reference, so it moves into ``allOf``."""
    result = dict(schema)
    reference = result.pop("$ref", None)
    if isinstance(reference, str):
        result["allOf"] = [{"$ref": reference.replace(_PREFIX, "#/components/schemas/")}]
        if kind is not None and kind.form is Form.STRUCT and not kind.pointer:
            result["default"] = {}
    for key in ("items", "additionalProperties"):
        inner = result.get(key)
        if isinstance(inner, dict):
            result[key] = _element_v3(inner, kind)
    return result


def _element_v3(schema: dict[str, Any], kind: GoType | None) -> dict[str, Any]:
    element = kind.element if kind is not None else None
    result = _value_v3(schema, element)
    if element is not None and not element.pointer and element.form in _ZEROS:
        result.setdefault("default", _ZEROS[element.form])
    return result if len(result) > 1 or "allOf" not in result else dict(result["allOf"][0])
