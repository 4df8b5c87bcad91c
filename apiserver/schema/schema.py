"""The one door to what Kubernetes' published schema says: reading request bodies and giving objects their wire form.

The way of a write: ``decode_body`` (or ``decode`` for a patched object) -> the strategy's defaulting -> ``complete`` ->
admission, validation, commit. What decoding returns is *minimal*: a zero value of a field that is not a pointer is
absent. What ``complete`` returns is the wire form, with the zeros that Go always writes.

Rules and wording follow the create, update and delete handlers of ``k8s.io/apiserver`` and its JSON serializer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from apiserver.schema import jsontext, yamltext
from apiserver.schema.complete import Completer
from apiserver.schema.model import Model
from apiserver.schema.protobuf import ProtobufReader, open_envelope
from apiserver.schema.protowire import WireProblem
from apiserver.schema.typed import DecodeError, TypedDecoders
from minikube_py.api.errors import BadRequest
from minikube_py.api.resources import Resource, Subresource, split_api_version
from minikube_py.api.types import Object

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
#: Request bodies that can be read, in the order in which upstream names them.
MEDIA_TYPES = (JSON, YAML, PROTOBUF)

_TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_SCHEME = "pkg/runtime/scheme.go:111"
_SUMMARY_BYTES = 30


class FieldValidation(StrEnum):
    """What to do about unknown and duplicate fields (the ``fieldValidation`` parameter)."""

    STRICT = "Strict"
    WARN = "Warn"
    IGNORE = "Ignore"


class Kind(NamedTuple):
    """A kind in a group and version."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


DELETE_OPTIONS = Kind("meta.k8s.io", "v1", "DeleteOptions")


def kind_of(resource: Resource, subresource: Subresource | None = None) -> Kind:
    """The kind that a body for this path must have: an eviction for ``pods/eviction``, else the resource's own."""
    if subresource is None or subresource.kind is None:
        return Kind(resource.group, resource.version, resource.kind)
    return Kind(
        resource.group if subresource.group is None else subresource.group,
        subresource.version or resource.version,
        subresource.kind,
    )


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded object (the caller's own) and what a client should be warned of."""

    object: Object
    warnings: list[str] = field(default_factory=list)


class Schema:
    """Decoding and completing for every kind of the model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._decoders = TypedDecoders(model)
        self.completer = Completer(model)
        self._protobuf = ProtobufReader(model)

    @classmethod
    def load(cls) -> Schema:
        """The schema of the packaged Kubernetes version."""
        return cls(Model.load())

    def decode_body(
        self,
        body: bytes,
        media_type: str,
        expected: Resource | Kind,
        mode: FieldValidation = FieldValidation.WARN,
    ) -> Decoded:
        """Read a request body as the kind expected at its path.

        ``expected`` is a resource, or the result of ``kind_of`` for a subresource, or DELETE_OPTIONS. A body
        without kind or apiVersion gets those of the path. Raises BadRequest in the API server's words.
        """
        want = _as_kind(expected)
        if media_type == PROTOBUF:
            return self._decode(self._open(body, want), want, FieldValidation.IGNORE, body=body)
        value, repeated = self._parse(body, media_type, want, mode)
        return self._decode(value, want, mode, repeated=repeated, body=body, sort=media_type == YAML)

    def decode(self, obj: Object, expected: Resource | Kind, mode: FieldValidation = FieldValidation.WARN) -> Decoded:
        """The minimal form of an already parsed object (a patched one): the same checks, the same errors."""
        return self._decode(obj, _as_kind(expected), mode)

    def complete(self, obj: Object, expected: Resource | Kind) -> None:
        """Give an object its wire form in place: the zeros that are always written. Idempotent."""
        want = _as_kind(expected)
        name = self.model.kind(*want)
        if name is not None:
            self.completer.complete(name, obj)

    def prune(self, obj: Object, expected: Resource | Kind) -> tuple[Object, list[str]]:
        """The minimal form and the unknown fields, without a word about kinds. Raises DecodeError on wrong types."""
        name = self.model.kind(*_as_kind(expected))
        return self._pruned(name, obj, sort=True) if name else (obj, [])

    def _pruned(self, name: str, value: Any, *, sort: bool) -> tuple[Object, list[str]]:
        """``sort`` where upstream meets fields, and so problems, in the order of names: patched objects and YAML."""
        strict: list[str] = []
        try:
            decoded = self._decoders.decode(name, value, strict)
            if not sort or len(strict) < 2:
                return decoded, strict
        except DecodeError:
            if not sort:
                raise
        strict.clear()
        in_order = orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        return self._decoders.decode(name, in_order, strict), strict

    def _open(self, body: bytes, want: Kind) -> Object:
        """The object in a protobuf body, in JSON form and not yet minimal."""
        try:
            envelope = open_envelope(body)
            value = {"apiVersion": envelope.api_version, "kind": envelope.kind}
            given = self._given_kind(value, want, body)
            name = self._known_name(given, want)
        except WireProblem as problem:
            raise _unrecognized(want, str(problem), body) from None
        try:
            return self._protobuf.decode(name, envelope.raw) | value
        except WireProblem as problem:
            raise _cannot_be_handled(given, want, str(problem)) from None

    def _parse(self, body: bytes, media_type: str, want: Kind, mode: FieldValidation) -> tuple[Any, list[str]]:
        """The value, and what YAML text says twice; JSON objects that do are marked as ``Repeated``."""
        try:
            if media_type == YAML:
                return yamltext.parse(body)
            value = jsontext.parse(body)
        except yamltext.YAMLProblem as problem:
            raise _unrecognized(want, f"couldn't get version/kind; json parse error: {problem}", body) from None
        except jsontext.SyntaxProblem as problem:
            raise _unrecognized(want, f"couldn't get version/kind; json parse error: {problem}", body) from None
        if mode is not FieldValidation.IGNORE and jsontext.may_repeat_fields(body, value):
            return jsontext.parse_noting_repeats(body), []
        return value, []

    def _decode(
        self,
        value: Any,
        want: Kind,
        mode: FieldValidation,
        *,
        repeated: list[str] | None = None,
        body: bytes = b"",
        sort: bool = False,
    ) -> Decoded:
        if value is None:
            value = {}
        given = self._given_kind(value, want, body)
        name = self._known_name(given, want)
        try:
            decoded, strict = self._pruned(name, value, sort=sort)
        except DecodeError as error:
            raise _cannot_be_handled(given, want, str(error)) from None
        self._check_conversion(given, want, name)
        decoded["apiVersion"], decoded["kind"] = given.api_version, given.kind
        if mode is FieldValidation.IGNORE or not (strict or repeated):
            return Decoded(decoded)
        if mode is FieldValidation.WARN:
            return Decoded(decoded, [*(repeated or ()), *strict])
        first = ["yaml: unmarshal errors:\n  " + "\n  ".join(repeated)] if repeated else []
        raise _cannot_be_handled(given, want, f"strict decoding error: {', '.join([*first, *strict])}")

    def _given_kind(self, value: Any, want: Kind, body: bytes) -> Kind:
        problem = _type_meta_problem(value)
        if problem:
            raise _unrecognized(want, f"couldn't get version/kind; json parse error: {problem}", body)
        api_version, kind = value.get("apiVersion") or "", value.get("kind") or ""
        if api_version.count("/") > 1:
            raise _unrecognized(want, f"unexpected GroupVersion string: {api_version}", body)
        group, version = split_api_version(api_version) if api_version else (want.group, want.version)
        return Kind(group, version or want.version, kind or want.kind)

    def _known_name(self, given: Kind, want: Kind) -> str:
        name = self.model.kind(*given)
        if name is None and given == want:
            name = self.model.kind("", "v1", given.kind)
        if name is None:
            text = f'no kind "{given.kind}" is registered for version "{given.api_version}" in scheme "{_SCHEME}"'
            raise _cannot_be_handled(given, want, text)
        return name

    def _check_conversion(self, given: Kind, want: Kind, name: str) -> None:
        if given == want or (given.kind == want.kind == DELETE_OPTIONS.kind):
            return
        if given.kind != want.kind:
            source, target = _go_short(name), _internal_name(self.model.kind(*want) or "")
            raise _cannot_be_handled(given, want, f"converting ({source}) to ({target}): unknown conversion")
        raise BadRequest(
            f"the API version in the data ({given.api_version}) does not match "
            f"the expected API version ({want.api_version})"
        )


def _as_kind(expected: Resource | Kind) -> Kind:
    return expected if isinstance(expected, Kind) else kind_of(expected)


def _type_meta_problem(value: Any) -> str:
    """Why apiVersion and kind cannot be read, in the words of Go's decoder; "" where they can."""
    if not isinstance(value, dict):
        return f"json: cannot unmarshal {_json_type(value)} into Go value of type {_TYPE_META}"
    for name in ("apiVersion", "kind"):
        found = value.get(name)
        if found is not None and not isinstance(found, str):
            return f"json: cannot unmarshal {_json_type(found)} into Go struct field .{name} of type string"
    return ""


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _unrecognized(want: Kind, problem: str, body: bytes) -> BadRequest:
    summary = _summary(body)
    return BadRequest(f"the object provided is unrecognized (must be of type {want.kind}): {problem} ({summary})")


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    start = body[:_SUMMARY_BYTES]
    text = start.decode("utf-8", "replace") if body[:1] == b"{" else start.hex()
    return f"{text} ..." if len(body) > _SUMMARY_BYTES else text


def _cannot_be_handled(given: Kind, want: Kind, problem: str) -> BadRequest:
    return BadRequest(f'{given.kind} in version "{given.version}" cannot be handled as a {want.kind}: {problem}')


def _go_short(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def _internal_name(name: str) -> str:
    """``io.k8s.api.core.v1.Pod`` -> ``core.Pod``: the unversioned type inside a real API server."""
    parts = name.split(".")
    return f"{parts[-3]}.{parts[-1]}" if len(parts) > 2 else name
