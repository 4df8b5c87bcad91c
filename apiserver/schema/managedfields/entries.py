"""``metadata.managedFields`` as a table of managers, and back.

A manager is named by who, how, in which version and through which subresource; its time is not part of the name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from apiserver.schema.managedfields.fieldsets import SELF, FieldSet, ordered, union

APPLY, UPDATE = "Apply", "Update"
#: How many managers that update (rather than apply) are kept apart, and who the older ones become.
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"


class Manager(NamedTuple):
    """Who a set of fields belongs to. An applier has no version: it is one manager whatever version it applies."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    def describe(self) -> str:
        """As conflicts name it: ``"kubectl" using apps/v1``."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


class Managed(NamedTuple):
    """What a manager has: a set of paths, in the terms of a version, since a time."""

    fields: FieldSet
    api_version: str
    time: str = ""


@dataclass(slots=True)
class ManagerTable:
    """The managers of an object. Changed in place; the sets themselves never are, and are in the order of the wire."""

    entries: dict[Manager, Managed] = field(default_factory=dict)

    def put(self, manager: Manager, managed: Managed) -> None:
        """Set what a manager has, brought into order; a manager that has nothing is forgotten."""
        if managed.fields is None:
            self.entries.pop(manager, None)
        else:
            self.entries[manager] = managed._replace(fields=ordered(managed.fields))

    def add(self, manager: Manager, managed: Managed) -> None:
        """Give a manager some fields (not None) beside those that it has, at a new time."""
        before = self.entries.get(manager)
        self.put(manager, managed)
        if before is not None:
            fields = union(before.fields, self.entries[manager].fields)
            self.entries[manager] = managed._replace(fields=fields)

    def keep(self, manager: Manager, fields: FieldSet) -> None:
        """Leave a manager a part of its fields, which are in order as the whole is, and change nothing else of it."""
        if fields is None:
            del self.entries[manager]
        else:
            self.entries[manager] = self.entries[manager]._replace(fields=fields)

    def in_order(self) -> ManagerTable:
        """The same with every set brought into order."""
        table = ManagerTable()
        for manager, managed in self.entries.items():
            table.put(manager, managed)
        return table


class BadEntries(ValueError):
    """The managedFields given are not well-formed."""


def read_entries(given: Any) -> ManagerTable:
    """The table in a managedFields list, whose sets are taken to be in order. Raises BadEntries."""
    table = ManagerTable()
    for entry in given or ():
        operation = entry.get("operation")
        if operation not in (APPLY, UPDATE) or entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            raise BadEntries(f"unexpected managed fields entry: {operation}")
        fields = entry.get("fieldsV1")
        if fields is not None and not isinstance(fields, dict):
            raise BadEntries("fieldsV1 is not an object")
        version = entry.get("apiVersion") or ""
        name = Manager(
            entry.get("manager") or "",
            operation,
            version if operation == UPDATE else "",
            entry.get("subresource") or "",
        )
        if fields:
            table.entries[name] = Managed(fields, version, entry.get("time") or "")
    return table


def check_entries(given: Any) -> None:
    """Make sure that entries a client sent can be worked with. Raises BadEntries."""
    for entry in given or ():
        fields = entry.get("fieldsV1")
        if fields is not None and not _is_set(fields):
            raise BadEntries("fieldsV1 is not a set of field paths")


def _is_set(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    return all(inner == {} if key == SELF else _is_element(key) and _is_set(inner) for key, inner in node.items())


def _is_element(key: str) -> bool:
    kind, colon, rest = key.partition(":")
    if kind == "f" or not colon:
        return bool(colon)
    try:
        value = orjson.loads(rest)
    except orjson.JSONDecodeError:
        return False
    return {"k": isinstance(value, dict), "v": True, "i": isinstance(value, int)}.get(kind, False)


def write_entries(table: ManagerTable) -> list[dict[str, Any]]:
    """The managedFields list: appliers first, then by time and name, as upstream orders it."""
    ordered = sorted(
        table.entries.items(), key=lambda row: (row[0].operation, row[1].time, row[0].name, row[1].api_version)
    )
    return [_entry(manager, managed) for manager, managed in ordered]


def _entry(manager: Manager, managed: Managed) -> dict[str, Any]:
    entry: dict[str, Any] = {"manager": manager.name, "operation": manager.operation, "apiVersion": managed.api_version}
    if managed.time:
        entry["time"] = managed.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = managed.fields or {}
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def cap_updaters(table: ManagerTable) -> None:
    """Fold the oldest updaters into one manager per version where there are more than ten of them."""
    updaters = [row for row in table.entries.items() if row[0].operation == UPDATE]
    surplus = len(updaters) - MOST_UPDATERS
    if surplus <= 0:
        return
    updaters.sort(key=lambda row: (row[1].time, row[0]))
    first: dict[str, Manager] = {}
    for manager, managed in updaters:
        if surplus <= 0:
            return
        version = managed.api_version
        if version not in first:
            first[version] = manager
            continue
        bucket = Manager(ANCIENT, UPDATE, version)
        if bucket not in table.entries:
            table.entries[bucket] = table.entries.pop(first[version])
        fields = union(table.entries[bucket].fields, managed.fields)
        if manager != bucket:
            del table.entries[manager]
        table.entries[bucket] = Managed(fields, version, managed.time)
        surplus -= 1
