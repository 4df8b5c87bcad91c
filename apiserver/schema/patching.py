"""Patching as the API server does it: read the patch, merge it, hold the result to the kind's schema.

Everything but server-side apply. Wording of refusals: ``endpoints/handlers/patch.go`` of ``k8s.io/apiserver``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from apiserver.schema import jsontext
from apiserver.schema.model import Form, GoType, Model, Struct
from apiserver.schema.schema import Decoded, FieldValidation, Kind, Schema, kind_of
from apiserver.schema.typed import DecodeError
from minikube_py.api import fields
from minikube_py.api.errors import BadRequest, StatusError
from minikube_py.api.patch import PatchKind, apply_json_patch, apply_merge_patch
from minikube_py.api.resources import Resource
from minikube_py.api.strategicmerge import MergeField, MergeSchema, apply_strategic_merge_patch, go_kind, go_map
from minikube_py.api.types import Object

_JSON_OPERATION_FIELDS = frozenset({"op", "path", "from", "value"})


class Patcher:
    """Applies JSON, merge and strategic merge patches to objects of any known kind."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._merging = MergeSchemas(schema.model)

    def apply(
        self,
        kind: PatchKind,
        body: bytes,
        current: Object,
        expected: Resource | Kind,
        mode: FieldValidation = FieldValidation.WARN,
    ) -> Decoded:
        """The patched object in minimal form (as ``Schema.decode`` gives it); ``current`` is left as it is.

        Raises BadRequest for a body that is no such patch, Invalid (422) for one that cannot be applied or whose
        result does not fit the kind's schema.
        """
        want = expected if isinstance(expected, Kind) else kind_of(expected)
        patch, strict = _read(body, kind, mode)
        if kind is PatchKind.STRATEGIC:
            patched = apply_strategic_merge_patch(current, patch, self._merge_schema(want))
        elif kind is PatchKind.JSON:
            patched = apply_json_patch(current, patch)
        else:
            patched = apply_merge_patch(current, patch)
        return self._checked(_Patched(patched, current), patch, kind, want, mode, strict)

    def _merge_schema(self, want: Kind) -> MergeSchema | None:
        name = self._schema.model.kind(*want)
        return self._merging.of(name) if name else None

    def _checked(
        self, result: _Patched, patch: Any, kind: PatchKind, want: Kind, mode: FieldValidation, strict: list[str]
    ) -> Decoded:
        patched = result.object
        try:
            pruned, unknown = self._schema.prune(result.touched(), want)
            decoded = result.joined(pruned)
        except DecodeError as error:
            words = _converter_words(error) if kind is PatchKind.STRATEGIC else str(error)
            raise _invalid(patched, patch, kind, words) from None
        given = (decoded.setdefault("apiVersion", want.api_version), decoded.setdefault("kind", want.kind))
        if given != (want.api_version, want.kind):
            self._schema.decode(patched, want, mode)  # says what is wrong with the kind
        if mode is FieldValidation.IGNORE:
            return Decoded(decoded)
        strict += unknown
        if strict and mode is FieldValidation.STRICT:
            raise _invalid(patched, patch, kind, f"strict decoding error: {', '.join(strict)}")
        return Decoded(decoded, strict)


class _Patched(NamedTuple):
    """A patched object beside what it was; what the patch left alone is the same Python object, and sound already."""

    object: Object
    before: Object

    def touched(self) -> Object:
        """The top-level fields that have to be looked at."""
        before = self.before
        return {name: value for name, value in self.object.items() if not _untouched(value, before.get(name))}

    def joined(self, pruned: Object) -> Object:
        """The whole object, with ``pruned`` in place of what was touched."""
        before = self.before
        kept = {name: value for name, value in self.object.items() if _untouched(value, before.get(name))}
        return {name: kept.get(name, pruned.get(name)) for name in self.object if name in kept or name in pruned}


def _untouched(value: Any, before: Any) -> bool:
    return value is before and isinstance(value, dict | list)


def _read(body: bytes, kind: PatchKind, mode: FieldValidation) -> tuple[Any, list[str]]:
    try:
        patch = jsontext.parse(body)
    except jsontext.SyntaxProblem as problem:
        prefix = "" if kind is PatchKind.STRATEGIC or mode is FieldValidation.IGNORE else "error decoding patch: "
        raise BadRequest(f"{prefix}{problem}") from None
    if mode is FieldValidation.IGNORE:
        return patch, []
    if jsontext.may_repeat_fields(body, patch):
        noted = jsontext.parse_noting_repeats(body)
        return patch, _operation_problems(noted) if kind is PatchKind.JSON else jsontext.repeated_fields(noted)
    return patch, _operation_problems(patch) if kind is PatchKind.JSON else []


def _operation_problems(operations: Any) -> list[str]:
    """Unknown and repeated fields of JSON patch operations, in the order of the text."""
    found: list[str] = []
    for index, operation in enumerate(operations if isinstance(operations, list) else ()):
        if not isinstance(operation, dict):
            continue
        for key, value in operation.items():
            if key not in _JSON_OPERATION_FIELDS:
                found.append(f'json patch unknown field "[{index}].{key}"')
                continue
            if isinstance(operation, jsontext.Repeated) and key in operation.again:
                found.append(f'json patch duplicate field "[{index}].{key}"')
            found += [f"json patch {text}" for text in jsontext.repeated_fields(value, f"[{index}].{key}")]
    return found


def _invalid(patched: Object, patch: Any, kind: PatchKind, problem: str) -> StatusError:
    shown = go_map(patch) if kind is PatchKind.STRATEGIC else orjson.dumps(patched).decode()
    return fields.invalid_object("", "", "", [fields.invalid("patch", shown, problem)])


def _converter_words(error: DecodeError) -> str:
    """A wrong type in the words of apimachinery's unstructured converter, which strategic patches go through."""
    if error.form is None:
        return str(error)
    given = go_kind(error.given)
    if error.form is Form.MAP:
        return f"cannot restore map from {given}"
    if error.form in (Form.LIST, Form.BYTES):
        return f"cannot restore slice from {given}"
    if error.form is Form.STRUCT:
        return f"cannot restore struct from: {given}"
    if (given, error.form) in (("int64", Form.STRING), ("float64", Form.INTEGER)):
        return f"cannot convert {given} to {error.wanted}"
    return f"unrecognized type: {'string' if error.form is Form.STRING else error.wanted}"


class MergeSchemas:
    """How the fields of each struct are merged by strategic merge patches, built when first asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[str, _StructMerge] = {}

    def of(self, name: str) -> MergeSchema:
        """The merge schema of a struct of the model."""
        if name not in self._known:
            self._known[name] = _StructMerge(self, self._model.struct(name))
        return self._known[name]

    def of_value(self, kind: GoType) -> MergeSchema | None:
        """That of a field's value, or of its items."""
        if kind.form is Form.STRUCT:
            return self.of(kind.name)
        if kind.form is Form.LIST:
            return self.of_value(kind.item)
        if kind.form is Form.MAP and kind.item.form is Form.STRUCT:
            return _MapMerge(MergeField(schema=self.of_value(kind.item)))
        return None


class _StructMerge:
    def __init__(self, schemas: MergeSchemas, struct: Struct) -> None:
        self._schemas = schemas
        self._struct = struct
        self._fields: dict[str, MergeField] = {}

    def merge_field(self, name: str) -> MergeField | None:
        found = self._fields.get(name)
        field = self._struct.fields.get(name)
        if found is None and field is not None:
            inner = self._schemas.of_value(field.type)
            found = self._fields[name] = MergeField(field.patch_strategies, field.merge_key, inner)
        return found


class _MapMerge:
    """A map whose values are structs: every key has the same rules."""

    def __init__(self, field: MergeField) -> None:
        self._field = field

    def merge_field(self, name: str) -> MergeField | None:
        del name
        return self._field
