"""Field management: what a write changes belongs to its writer; what an applier no longer names is removed.

``update`` follows a write of any other kind; ``apply`` is server-side apply. Semantics:
https://kubernetes.io/docs/reference/using-api/server-side-apply/ and ``apimachinery/pkg/util/managedfields``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from apiserver.schema.complete import Completer
from apiserver.schema.managedfields.atoms import Atom, Atoms
from apiserver.schema.managedfields.checking import problems, summary
from apiserver.schema.managedfields.comparing import compare, compare_objects, named_paths
from apiserver.schema.managedfields.entries import (
    APPLY,
    UPDATE,
    BadEntries,
    Managed,
    Manager,
    ManagerTable,
    cap_updaters,
    check_entries,
    read_entries,
    write_entries,
)
from apiserver.schema.managedfields.fieldsets import (
    LEAF,
    FieldSet,
    difference,
    intersection,
    ordered,
    path_text,
    paths,
    union,
    without,
)
from apiserver.schema.managedfields.merging import merge, remove, with_named_fields
from apiserver.schema.managedfields.versions import NO_TRANSLATIONS, Elsewhere, Translations
from apiserver.schema.model import Model
from minikube_py.api.errors import BadRequest, Cause, Conflict, OtherStatus
from minikube_py.api.types import Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"
_LONGEST_ANNOTATION = 256 * 1024
#: Specs of new objects whose paths are remembered: some kilobytes each.
_MOST_SPECS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes, in which version, through which subresource, when (RFC 3339)."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""

    def as_manager(self, operation: str) -> Manager:
        version = self.api_version if operation == UPDATE else ""
        return Manager(self.manager or "unknown", operation, version, self.subresource)


class FieldManagement:
    """Keeps managedFields for every kind of a model."""

    def __init__(self, model: Model, completer: Completer) -> None:
        self._atoms = Atoms(model)
        self._completer = completer
        self._blank: dict[str, Object] = {}
        self._specs: dict[tuple[str, bytes], tuple[FieldSet, FieldSet]] = {}

    def update(
        self,
        name: str,
        old: Object | None,
        new: Object,
        author: Author,
        *,
        reset: Iterable[str] = (),
        translations: Translations = NO_TRANSLATIONS,
    ) -> None:
        """Give the author what ``new`` (in wire form) changes of ``old``; sets ``new``'s managedFields in place.

        ``old`` is None for a create. ``reset`` names fields (``metadata.labels``) that this path cannot set. An object
        without managers is not followed until somebody applies to it. ``translations`` are the kind's other versions.
        """
        meta = new["metadata"]
        given = meta.pop("managedFields", None)
        present = (old.get("metadata") or {}).get("managedFields") if old is not None else None
        table = _table(given, present, from_live=bool(author.subresource))
        if old is not None and not table.entries:
            return
        changed, removed = self._created(name, new) if old is None else self._changes(name, old, new)
        for field in reset:
            path = [f"f:{name}" for name in field.split(".")]
            changed, removed = _without_path(changed, path), _without_path(removed, path)
        if changed is None and removed is None:
            kept = present if given is None or author.subresource else write_entries(table)
            if kept:
                meta["managedFields"] = present if kept == present else kept
            return
        elsewhere = Elsewhere(self._atoms, translations, old or {}, new)
        _take(table, author.as_manager(UPDATE), Managed(changed, author.api_version, author.time), removed, elsewhere)
        cap_updaters(table)
        if table.entries:
            meta["managedFields"] = write_entries(table)

    def _changes(self, name: str, old: Object, new: Object) -> tuple[FieldSet, FieldSet]:
        return compare_objects(self._atoms.root(name), old, new)

    def _created(self, name: str, new: Object) -> tuple[FieldSet, FieldSet]:
        """What a new object sets. Replicas have equal specs, and sets are shared: one is worked out once."""
        zero, spec = self._zero(name), new.get("spec")
        if not isinstance(spec, dict):
            return self._changes(name, zero, new)
        key = name, blake2b(orjson.dumps(spec), digest_size=16).digest()
        known = self._specs.get(key)
        if known is None:
            atom = self._atoms.root(name).child("spec")
            found = compare(atom, zero.get("spec"), spec) if atom is not None else (None, None)
            known = found[0] and ordered(found[0]), found[1]
            if len(self._specs) >= _MOST_SPECS:
                del self._specs[next(iter(self._specs))]
            self._specs[key] = known
        changed, removed = self._changes(name, zero, {**new, "spec": zero.get("spec")})
        return _with(changed, "f:spec", known[0]), _with(removed, "f:spec", known[1])

    def settle(self, old: Object, new: Object) -> None:
        """Undo a change of nothing but times: applying what is already there writes nothing (in place)."""
        before, after = old["metadata"].get("managedFields"), new["metadata"].get("managedFields")
        if not before or not after or len(before) != len(after) or before == after:
            return
        if [_timeless(entry) for entry in before] != [_timeless(entry) for entry in after]:
            return
        if {**new, "metadata": {**new["metadata"], "managedFields": before}} == old:
            new["metadata"]["managedFields"] = before

    def apply(
        self,
        name: str,
        live: Object | None,
        config: Object,
        author: Author,
        *,
        force: bool,
        reset: Iterable[str] = (),
        translations: Translations = NO_TRANSLATIONS,
    ) -> Object:
        """The object after applying ``config``: merged, pruned of what the author dropped, with its managedFields.

        ``live`` (None where the object is to be created) is left as it is. ``reset`` names fields that this path
        cannot set, ``translations`` are the kind's other versions. Raises Conflict for fields of others (unless
        ``force``), OtherStatus (500, as upstream) for a configuration that does not fit the schema.
        """
        self.check(name, config, author)
        atom = self._atoms.root(name)
        present = live if live is not None else self._zero(name)
        table = self._table_before_apply(name, live, author)
        attempt = _Apply(atom, present, config, author, tuple(reset))
        elsewhere = Elsewhere(self._atoms, translations, present, attempt.merged(table))
        conflicts = [] if force else attempt.conflicts(table, elsewhere)
        if conflicts and author.manager == "kubectl":
            allowed = self._allowed_by_last_applied(atom, present, author)
            conflicts = [(manager, path) for manager, path in conflicts if not _has(allowed, path)]
        if conflicts:
            raise _conflict_error(conflicts)
        result = attempt.result(table, elsewhere)
        _update_last_applied(result, config, author)
        result["metadata"]["managedFields"] = write_entries(table)
        return result

    def check(self, name: str, config: Object, author: Author) -> None:
        """Hold a configuration to the type ``name`` and the author's version. Raises BadRequest, OtherStatus (500)."""
        version = config.get("apiVersion")
        if not version or not config.get("kind"):
            raise BadRequest(f"invalid object type: {_kind_text(config)}")
        if version != author.api_version:
            raise BadRequest(
                "Incorrect version specified in apply patch. "
                f"Specified patch version: {version or ''}, expected: {author.api_version}"
            )
        meta = config.get("metadata")
        if isinstance(meta, dict) and meta.get("managedFields") is not None:
            raise BadRequest("metadata.managedFields must be nil")
        found = problems(self._atoms.root(name), config)
        if found:
            raise OtherStatus(
                f"failed to create typed patch object ({_identity(config)}): {summary(found)}", code=500, reason=""
            )

    def _zero(self, name: str) -> Object:
        """The wire form of an object in which nothing is set."""
        if name not in self._blank:
            blank: Object = {}
            self._completer.complete(name, blank)
            self._blank[name] = blank
        return self._blank[name]

    def _table_before_apply(self, name: str, live: Object | None, author: Author) -> ManagerTable:
        if live is None:
            return ManagerTable()
        present = (live.get("metadata") or {}).get("managedFields")
        table = _table(None, present, from_live=True)
        if not table.entries:
            earlier, _ = compare(self._atoms.root(name), self._zero(name), live)
            manager = Manager(BEFORE_FIRST_APPLY, UPDATE, author.api_version)
            table.put(manager, Managed(earlier, author.api_version, author.time))
        return table

    def _allowed_by_last_applied(self, atom: Atom, live: Object, author: Author) -> FieldSet:
        """Fields that kubectl's client-side apply set and nobody changed since: kubectl may take them over."""
        annotation = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
        try:
            earlier = orjson.loads(annotation or "")
        except orjson.JSONDecodeError:
            return None
        if not isinstance(earlier, dict) or earlier.get("apiVersion") != author.api_version or problems(atom, earlier):
            return None
        changed, removed = compare(atom, earlier, live)
        return difference(difference(named_paths(atom, earlier), changed), removed)


def _with(fields: FieldSet, key: str, node: FieldSet) -> FieldSet:
    return fields if node is None else {**(fields or {}), key: node}


class _Apply:
    """One application of a configuration: what it merges to, whom it touches, what it leaves."""

    def __init__(self, atom: Atom, live: Object, config: Object, author: Author, reset: tuple[str, ...]) -> None:
        self._atom = atom
        self._live = live
        self._config = _without_reset(config, reset)
        self._author = author
        self._me = author.as_manager(APPLY)
        self._mine = named_paths(atom, self._config)
        self._outcome: Any = None

    def conflicts(self, table: ManagerTable, elsewhere: Elsewhere) -> list[tuple[Manager, tuple[str, ...]]]:
        """What others own and this configuration would change."""
        here = compare(self._atom, self._live, self.merged(table))
        return [
            (manager, path)
            for manager, managed in sorted(table.entries.items())
            if manager != self._me
            for path in sorted(paths(intersection(managed.fields, elsewhere.changes(managed.api_version, here)[0])))
        ]

    def result(self, table: ManagerTable, elsewhere: Elsewhere) -> Object:
        """The object afterwards; the table is brought up to date."""
        merged: Object = self.merged(table)
        here = compare(self._atom, self._live, merged)
        for manager, managed in list(table.entries.items()):
            if manager != self._me:
                changed, removed = elsewhere.changes(managed.api_version, here)
                table.keep(manager, difference(difference(managed.fields, changed), removed))
        table.put(self._me, Managed(self._mine, self._author.api_version, self._author.time))
        result = dict(merged)
        result["metadata"] = dict(result.get("metadata") or {})
        return result

    def merged(self, table: ManagerTable) -> Any:
        """What the live object and the configuration come to."""
        if self._outcome is None:
            merged = merge(self._atom, self._live, self._config)
            last = table.entries.get(self._me)
            self._outcome = merged if last is None else self._pruned(merged, last.fields, table)
        return self._outcome

    def _pruned(self, merged: Any, last: FieldSet, table: ManagerTable) -> Any:
        """Without what the author owned before and names no longer, unless somebody else owns it."""
        dropped = _sparing_metadata(with_named_fields(self._atom, last))
        first = remove(self._atom, merged, dropped) or {}
        owned: FieldSet = self._mine
        for manager, managed in table.entries.items():
            if manager != self._me:
                owned = union(owned, managed.fields)
        whole = with_named_fields(self._atom, named_paths(self._atom, merged))
        left = with_named_fields(self._atom, named_paths(self._atom, first))
        kept = union(left, with_named_fields(self._atom, owned))
        second = remove(self._atom, merged, _sparing_metadata(difference(whole, kept))) or {}
        left = with_named_fields(self._atom, named_paths(self._atom, second))
        return remove(self._atom, merged, intersection(difference(whole, left), dropped)) or {}


def _sparing_metadata(whole: FieldSet) -> FieldSet:
    """Metadata is never removed as such: name and the like belong to nobody."""
    if whole is None or "f:metadata" not in whole:
        return whole
    inner = difference(whole["f:metadata"], LEAF)
    rest = {key: node for key, node in whole.items() if key != "f:metadata"}
    return (rest | {"f:metadata": inner} if inner is not None else rest) or None


def _without_reset(config: Object, reset: tuple[str, ...]) -> Object:
    for field in reset:
        config = _without_field(config, field.split("."))
    return config


def _without_field(part: Object, path: Sequence[str]) -> Object:
    head, *rest = path
    inner = part.get(head)
    if rest and isinstance(inner, dict):
        return part | {head: _without_field(inner, rest)}
    return {key: value for key, value in part.items() if key != head or rest}


def _without_path(fields: FieldSet, path: Sequence[str]) -> FieldSet:
    head, *rest = path
    if not rest:
        return without(fields, head)
    if fields is None or head not in fields:
        return fields
    inner, others = _without_path(fields[head], rest), {key: node for key, node in fields.items() if key != head}
    return (others | {head: inner} if inner is not None else others) or None


def _table(given: Any, present: Any, *, from_live: bool) -> ManagerTable:
    """The managers to start from: those in the request where it brings well-formed ones, else those of the object."""
    if not from_live and given is not None:
        if given == [{}]:
            return ManagerTable()
        try:
            table = read_entries(given)
            if given != present:
                check_entries(given)
                table = table.in_order()
        except BadEntries:
            table = ManagerTable()
        if table.entries:
            return table
    try:
        return read_entries(present)
    except BadEntries:
        return ManagerTable()


def _take(table: ManagerTable, me: Manager, mine: Managed, removed: FieldSet, elsewhere: Elsewhere) -> None:
    """Give ``me`` what it changed; take that and what is gone from everybody."""
    here = mine.fields, removed
    for manager, managed in list(table.entries.items()):
        changed, gone = elsewhere.changes(managed.api_version, here)
        kept = difference(difference(managed.fields, changed), gone)
        if kept is not managed.fields:
            table.keep(manager, kept)
    if mine.fields is not None:
        table.add(me, mine)


def _timeless(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "time"}


def _has(whole: FieldSet, path: tuple[str, ...]) -> bool:
    node = whole
    for element in path:
        node = (node or {}).get(element)
        if node is None:
            return False
    return node is not None and (not node or "." in node)


def _identity(config: Object) -> str:
    meta = config.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return f"{meta.get('namespace') or ''}/{meta.get('name') or ''}; {_kind_text(config)}"


def _kind_text(config: Object) -> str:
    """The type of an object as Go's GroupVersionKind prints it; the core group shows as an empty name."""
    version = str(config.get("apiVersion") or "")
    return f"{version if '/' in version else f'/{version}'}, Kind={config.get('kind') or ''}"


def _conflict_error(conflicts: list[tuple[Manager, tuple[str, ...]]]) -> Conflict:
    causes = [
        Cause("FieldManagerConflict", f"conflict with {manager.describe()}", path_text(path))
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        return Conflict(f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}", causes=causes)
    lines: list[str] = []
    for manager in dict.fromkeys(manager for manager, _ in conflicts):
        lines.append(f"conflicts with {manager.describe()}:")
        lines += [f"- {path_text(path)}" for other, path in conflicts if other == manager]
    return Conflict(f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines), causes=causes)


def _update_last_applied(result: Object, config: Object, author: Author) -> None:
    """kubectl's server-side apply keeps the annotation of its client-side apply current, where it is there."""
    annotations = result["metadata"].get("annotations") or {}
    if author.manager != "kubectl" or LAST_APPLIED not in annotations:
        return
    meta = config.get("metadata") or {}
    bare = {**config, "metadata": {**meta}}
    if "annotations" in meta:
        bare["metadata"]["annotations"] = {
            key: text for key, text in meta["annotations"].items() if key != LAST_APPLIED
        }
    text = orjson.dumps(bare, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
    if len(text) <= _LONGEST_ANNOTATION:
        result["metadata"]["annotations"] = {**annotations, LAST_APPLIED: text}
