"""JSON patches (RFC 6902) and merge patches (RFC 7386): pure, and never changing what they are given.

Strategic merge patches need a schema and live in ``strategicmerge``; server-side apply is the API server's own.
Refusals are those of the patch handler of ``k8s.io/apiserver``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import orjson

from minikube_py.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from minikube_py.api.types import Object

MOST_OPERATIONS = 10_000
#: What copy operations may add up to: the largest request body, as upstream limits it.
MOST_COPIED_BYTES = 3 << 20
_OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})
#: Upstream hides what exactly failed behind this sentence.
UNPROCESSABLE = "the server rejected our request due to an error in our request"


class PatchKind(StrEnum):
    """What a patch body means; the values are the content types."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


def apply_json_patch(obj: Object, operations: Any) -> Object:
    """The object after the operations.

    Raises BadRequest where ``operations`` is not a JSON patch, RequestEntityTooLarge above 10,000 operations, Invalid
    (422) where one of them cannot be applied.
    """
    import jsonpatch
    import jsonpointer

    _check_operations(operations)
    try:
        document = orjson.loads(orjson.dumps(obj))
        if any(operation["op"] == "copy" for operation in operations):
            return _as_object(_apply_with_copies(document, operations))
        return _as_object(jsonpatch.apply_patch(document, operations, in_place=True))
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
    ):
        raise Invalid(UNPROCESSABLE, details={}) from None


def _apply_with_copies(document: Any, operations: list[dict[str, Any]]) -> Any:
    """One by one, with an eye on size: thirty copies of a document into itself are a thousand million documents."""
    import jsonpatch
    import jsonpointer

    copied = 0
    for operation in operations:
        if operation["op"] == "copy":
            copied += len(orjson.dumps(jsonpointer.resolve_pointer(document, operation["from"])))
            if copied > MOST_COPIED_BYTES:
                raise Invalid(UNPROCESSABLE, details={})
        document = jsonpatch.apply_patch(document, [operation], in_place=True)
    return document


def _check_operations(operations: Any) -> None:
    if not isinstance(operations, list):
        raise BadRequest(_cannot_decode(operations, "[]handlers.jsonPatchOp"))
    if len(operations) > MOST_OPERATIONS:
        raise RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        )
    for operation in operations:
        if not isinstance(operation, dict):
            raise BadRequest(_cannot_decode(operation, "handlers.jsonPatchOp"))
        if operation.get("op") not in _OPERATIONS or not isinstance(operation.get("path"), str):
            raise Invalid(UNPROCESSABLE, details={})


def _as_object(patched: Any) -> Object:
    if not isinstance(patched, dict):
        raise Invalid(UNPROCESSABLE, details={})
    return patched


def apply_merge_patch(obj: Object, patch: Any) -> Object:
    """The object with the patch merged in: null deletes, objects merge, all else replaces. Raises BadRequest.

    What the patch does not touch is shared with ``obj``.
    """
    if not isinstance(patch, dict):
        raise BadRequest(_cannot_decode(patch, "map[string]interface {}"))
    return _merged(obj, patch)


def _merged(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(result.get(key), value)
        else:
            result[key] = value
    return result


def _cannot_decode(value: Any, target: str) -> str:
    return f"error decoding patch: json: cannot unmarshal {json_type(value)} into Go value of type {target}"


def json_type(value: Any) -> str:
    """How Go's decoder calls the type of a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if value is None:
        return "null"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
