"""Answers in protobuf: what clients written in Go ask for first.

Stored objects and everything computed from them are JSON; a message is made when a client wants one.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.schema.model import Model
from apiserver.schema.protobuf import Envelope, seal_envelope
from apiserver.schema.protobufwriting import ProtobufWriter
from apiserver.schema.protowire import bytes_field
from minikube_py.api.resources import Resource, split_api_version

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PARTIAL = f"{_META}.PartialObjectMetadata"
_LIST_META = f"{_META}.ListMeta"


class Messages:
    """Makes protobuf of JSON."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._writer = ProtobufWriter(model)

    def seal(self, body: bytes) -> bytes | None:
        """A whole answer from its JSON; None for what has no protobuf form. Raises WireProblem."""
        value = orjson.loads(body)
        if not isinstance(value, dict):
            return None
        api_version, kind = value.get("apiVersion"), value.get("kind")
        if not isinstance(api_version, str) or not isinstance(kind, str):
            return None
        name = self._name(api_version, kind)
        return None if name is None else seal_envelope(Envelope(api_version, kind, self._writer.encode(name, value)))

    def _name(self, api_version: str, kind: str) -> str | None:
        if api_version.startswith("meta.k8s.io/"):
            return _PARTIAL if kind == "PartialObjectMetadata" else None
        group, version = split_api_version(api_version)
        return self._model.kind(group, version, kind)

    def of_resource(self, resource: Resource) -> str:
        """The type that ``message`` takes for a resource's objects. Raises KeyError for a kind without a table."""
        return self._model.of_resource(resource).name

    @property
    def partial(self) -> str:
        """The type that ``message`` takes for a PartialObjectMetadata."""
        return _PARTIAL

    def message(self, name: str, data: bytes) -> bytes:
        """The message of a type from an object's JSON. Raises WireProblem."""
        return self._writer.encode(name, orjson.loads(data))

    def list_metadata(self, metadata: bytes) -> bytes:
        """A list's metadata as the first field of every list message."""
        value: dict[str, Any] = orjson.loads(metadata)
        return bytes_field(1, self._writer.encode(_LIST_META, value))
