"""Strategic merge patches: merge patches that know how each list of a Kubernetes type is merged.

What ``kubectl apply``, ``edit`` and ``set`` send. Lists with a merge key are merged item by item, lists of scalars
as sets, all others are replaced; directives in the patch delete, replace, order and retain. Rules:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
and the package ``apimachinery/pkg/util/strategicpatch``.

Pure: neither input is changed, and what the patch does not touch is shared with the original.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from minikube_py.api.errors import BadRequest, Invalid
from minikube_py.api.patch import UNPROCESSABLE
from minikube_py.api.types import Object

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_PRIMITIVES = "$deleteFromPrimitiveList"
SET_ELEMENT_ORDER = "$setElementOrder"

_BAD_PRIMITIVES = "invalid patch format of primitive list"
_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_ORDER = "invalid patch format of setElementOrder list"


class MergeSchema(Protocol):
    """How the fields of a type are merged."""

    def merge_field(self, name: str) -> MergeField | None:
        """The field's rules, None where the type has no such field or is free of form."""
        ...


class MergeField(NamedTuple):
    """A field's rules: its patch strategies, the key of its list's items, and the schema of its value or items."""

    strategies: tuple[str, ...] = ()
    merge_key: str = ""
    schema: MergeSchema | None = None

    @property
    def strategy(self) -> str:
        """``merge``, ``replace`` or "": what is left beside ``retainKeys``."""
        return next((name for name in self.strategies if name != "retainKeys"), "")


_FREE = MergeField()


def apply_strategic_merge_patch(obj: Object, patch: Any, kind_schema: MergeSchema | None) -> Object:
    """The object with the patch merged in.

    Raises BadRequest for a malformed patch, Invalid (422) for lists of lists.
    """
    if not isinstance(patch, dict):
        raise BadRequest("json: cannot unmarshal into Go value of type map[string]interface {}")
    return _merge_map(obj, patch, kind_schema)


def _merge_map(original: Mapping[str, Any], patch: dict[str, Any], schema: MergeSchema | None) -> dict[str, Any]:
    if DIRECTIVE in patch:
        return _whole_map(patch)
    result = dict(original)
    remaining = dict(patch)
    _retain_keys(result, remaining)
    _merge_ordered_lists(result, remaining, schema)
    for key, value in remaining.items():
        if key.startswith(DELETE_FROM_PRIMITIVES):
            _delete_primitives(result, _directive_target(key, _BAD_PRIMITIVES), value)
        elif value is None:
            result.pop(key, None)
        else:
            _merge_key(result, key, value, schema)
    return result


def _whole_map(patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    raise BadRequest(f"unknown patch type: {directive} in map: {go_map(patch)}")


def _merge_key(result: dict[str, Any], key: str, value: Any, schema: MergeSchema | None) -> None:
    current = result.get(key)
    field = _field(schema, key)
    if isinstance(current, dict) and isinstance(value, dict):
        result[key] = dict(value) if field.strategy == "replace" else _merge_map(current, value, field.schema)
    elif isinstance(current, list) and isinstance(value, list):
        result[key] = _merge_list(current, value, field)
    else:
        kept, cleaned = _without_directives(_without_nulls(value))
        if kept:
            result[key] = cleaned
        else:
            result.pop(key, None)


def _field(schema: MergeSchema | None, name: str) -> MergeField:
    return (schema.merge_field(name) if schema is not None else None) or _FREE


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _without_directives(value: Any) -> tuple[bool, Any]:
    """Whether to keep a value that has nothing to merge with, and the value without its directives."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return False, None
        cleaned = {key: _without_directives(item) for key, item in value.items()}
        return True, {key: item for key, (kept, item) in cleaned.items() if kept}
    if isinstance(value, list):
        return True, [item for kept, item in map(_without_directives, value) if kept]
    return True, value


def _retain_keys(result: dict[str, Any], patch: dict[str, Any]) -> None:
    """``$retainKeys``: the only fields that may stay (how a union changes its member)."""
    if RETAIN_KEYS not in patch:
        return
    names = patch.pop(RETAIN_KEYS)
    if not isinstance(names, list):
        raise BadRequest(_BAD_RETAIN_KEYS)
    kept = {name for name in names if isinstance(name, str)}
    for key, value in patch.items():
        if value is not None and not key.startswith((DELETE_FROM_PRIMITIVES, SET_ELEMENT_ORDER)) and key not in kept:
            raise BadRequest(_BAD_RETAIN_KEYS)
    for key in [key for key in result if key not in kept]:
        del result[key]


def _directive_target(key: str, problem: str) -> str:
    prefix, slash, target = key.partition("/")
    if not slash or prefix not in (DELETE_FROM_PRIMITIVES, SET_ELEMENT_ORDER):
        raise BadRequest(problem)
    return target


def _delete_primitives(result: dict[str, Any], key: str, values: Any) -> None:
    if result.get(key) is None or values is None:
        return
    if not isinstance(values, list) or not isinstance(result[key], list):
        raise BadRequest(_BAD_PRIMITIVES)
    gone = {_hashable(value) for value in values}
    result[key] = [item for item in result[key] if _hashable(item) not in gone]


def _merge_ordered_lists(result: dict[str, Any], patch: dict[str, Any], schema: MergeSchema | None) -> None:
    """Merge the lists that have a ``$setElementOrder`` and take both out of the patch."""
    for directive in [key for key in patch if key.startswith(SET_ELEMENT_ORDER)]:
        order = patch.pop(directive)
        key = _directive_target(directive, _BAD_ORDER)
        if not isinstance(order, list) or not isinstance(patch.get(key, []), list):
            raise BadRequest(_BAD_ORDER)
        given, current = patch.pop(key, None), result.get(key)
        if current is not None and not isinstance(current, list):
            raise BadRequest(_BAD_ORDER)
        field = _field(schema, key)
        if given is not None:
            _check_order(given, order, field.merge_key)
        if current is None and given is None:
            continue
        merged = _merge_list(current, given, field) if current is not None and given is not None else current
        if merged is None:
            merged = _without_directives(_without_nulls(given))[1]
        result[key] = _in_order(merged, order, current or [], field.merge_key)


def _check_order(patch: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's items must come in the order of the directive, and be named there."""
    wanted = iter(order)
    if not order:
        return
    for item in patch:
        if isinstance(item, dict) and DIRECTIVE in item:
            continue
        if not any(_same(item, candidate, merge_key) for candidate in wanted):
            theirs, ours = go_print(patch), go_print(order)
            raise BadRequest(f"The order in patch list:\n{theirs}\n doesn't match {SET_ELEMENT_ORDER} list:\n{ours}\n")


def _same(left: Any, right: Any, merge_key: str) -> bool:
    if not merge_key:
        return bool(left == right)
    return bool(_key_of(left, merge_key) == _key_of(right, merge_key))


def _key_of(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict):
        raise BadRequest(f"expected a map[string]interface {{}}, but received a {go_kind(item)}")
    if merge_key not in item:
        raise BadRequest(f"map: {go_map(item)} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def _merge_list(current: list[Any], patch: list[Any], field: MergeField) -> list[Any]:
    if field.strategy != "merge":
        return patch
    kinds = {go_kind(item) for item in (*current, *patch)}
    if "slice" in kinds:
        raise Invalid(UNPROCESSABLE, details={})
    if len(kinds) > 1:
        raise BadRequest(f"list element types are not identical: {', '.join(sorted(kinds))}")
    if kinds != {"map"}:
        merged = [*current, *(item for item in patch)]
        return _in_order(list(_unique(merged)), patch, current, "")
    if not field.merge_key:
        raise BadRequest("cannot merge lists without merge key")
    return _merge_items(current, patch, field)


def _unique(items: list[Any]) -> list[Any]:
    return list({_hashable(item): item for item in items}.values())


def _merge_items(current: list[Any], patch: list[Any], field: MergeField) -> list[Any]:
    key = field.merge_key
    kept, plain, replaced = _apply_item_directives(current, patch, key)
    if replaced:
        return _in_order(plain, [], plain, key)
    merged = list(kept)
    places: dict[Any, int] = {}
    for index, item in enumerate(merged):
        if isinstance(item, dict) and key in item:
            places.setdefault(_hashable(item[key]), index)
    for item in plain:
        value = _hashable(_key_of(item, key))
        if value in places:
            merged[places[value]] = _merge_map(merged[places[value]], item, field.schema)
        else:
            places[value] = len(merged)
            merged.append(_without_directives(_without_nulls(item))[1])
    return _in_order(merged, plain, kept, key)


def _apply_item_directives(
    current: list[Any], patch: list[Any], key: str
) -> tuple[list[Any], list[dict[str, Any]], bool]:
    """What is left of the list, the items to merge into it, and whether they replace it."""
    plain: list[dict[str, Any]] = []
    deleted: set[Any] = set()
    replaced = False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive is None:
            plain.append(item)
        elif directive == "delete":
            deleted.add(_hashable(_key_of(item, key)))
        elif directive == "replace":
            replaced = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {directive} in map: {go_map(item)}")
    kept = [item for item in current if key not in item or _hashable(item[key]) not in deleted] if deleted else current
    return kept, plain, replaced


def _in_order(merged: list[Any], order: list[Any], server_order: list[Any], merge_key: str) -> list[Any]:
    """Items named in ``order`` come in that order; the others keep the server's, and its place among them."""
    identity: Callable[[Any], Any] = _identity(merge_key)
    wanted = _positions(order, identity)
    server = _positions(server_order, identity)
    ours = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted[identity(item)])
    others = [item for item in merged if identity(item) not in wanted]
    others.sort(key=lambda item: server.get(identity(item), len(server)))
    result: list[Any] = []
    left, right = 0, 0
    while left < len(others) and right < len(ours):
        before, after = server.get(identity(others[left])), server.get(identity(ours[right]))
        if before is not None and after is not None and before < after:
            result.append(others[left])
            left += 1
        else:
            result.append(ours[right])
            right += 1
    return [*result, *others[left:], *ours[right:]]


def _identity(merge_key: str) -> Callable[[Any], Any]:
    if merge_key:
        return lambda item: _hashable(_key_of(item, merge_key))
    return _hashable


def _positions(items: list[Any], identity: Callable[[Any], Any]) -> dict[Any, int]:
    positions: dict[Any, int] = {}
    for index, item in enumerate(items):
        positions.setdefault(identity(item), index)
    return positions


def _hashable(value: Any) -> Any:
    return go_print(value) if isinstance(value, dict | list) else value


def go_kind(value: Any) -> str:
    """Go's name of the kind that a JSON value decodes to."""
    if isinstance(value, bool):
        return "bool"
    names = {str: "string", int: "int64", float: "float64", list: "slice", dict: "map"}
    return names.get(type(value), "invalid")


def go_print(value: Any) -> str:
    """A JSON value as Go's ``%v`` prints it: ``map[a:1 b:[x y]]``."""
    if isinstance(value, dict):
        return go_map(value)
    if isinstance(value, list):
        return f"[{' '.join(go_print(item) for item in value)}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def go_map(value: Mapping[str, Any]) -> str:
    """A JSON object as Go's ``%v`` prints a map: keys sorted."""
    return f"map[{' '.join(f'{key}:{go_print(value[key])}' for key in sorted(value))}]"
