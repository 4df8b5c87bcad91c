"""The options of each verb (``metav1.ListOptions``, ``CreateOptions`` …), read from the query and checked.

Rules and words: ``apimachinery/pkg/apis/meta/internalversion/validation`` and ``…/meta/v1/validation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.routes.request import Query, is_true
from apiserver.schema.wireforms import nanoseconds
from minikube_py.api.errors import BadRequest
from minikube_py.api.fields import (
    FieldError,
    forbidden,
    go_value,
    invalid,
    invalid_object,
    not_supported,
    required,
    too_long,
)
from minikube_py.api.types import Object

_LONGEST_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


def _first(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def _integer(query: Query, name: str) -> int | None:
    text = _first(query, name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"strconv.ParseInt: parsing {go_value(text)}: invalid syntax") from None


def _check(kind: str, errors: Sequence[FieldError]) -> None:
    if errors:
        raise invalid_object("meta.k8s.io", kind, "", errors)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """A list's or a watch's options. ``resource_version`` is "" where it is not set."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    timeout_seconds: int | None = None
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None


def list_options(query: Query, *, watch: bool) -> ListOptions:
    """Read and check. Raises BadRequest or Invalid."""
    initial = _first(query, "sendInitialEvents")
    options = ListOptions(
        label_selector=_first(query, "labelSelector"),
        field_selector=_first(query, "fieldSelector"),
        limit=max(_integer(query, "limit") or 0, 0),
        continue_token=_first(query, "continue"),
        resource_version=_first(query, "resourceVersion"),
        resource_version_match=_first(query, "resourceVersionMatch"),
        timeout_seconds=_integer(query, "timeoutSeconds"),
        allow_bookmarks=is_true(_first(query, "allowWatchBookmarks")),
        send_initial_events=is_true(initial) if initial else None,
    )
    _check("ListOptions", _watch_faults(options) if watch else _list_faults(options))
    return options


def _list_faults(options: ListOptions) -> list[FieldError]:
    faults = []
    if match := options.resource_version_match:
        faults += _match_faults(options, match)
    if options.send_initial_events is not None:
        faults.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return faults


def _match_faults(options: ListOptions, match: str) -> list[FieldError]:
    field, faults = "resourceVersionMatch", []
    if not options.resource_version:
        faults.append(forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if options.continue_token:
        faults.append(forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in ("Exact", "NotOlderThan"):
        faults.append(not_supported(field, match, ["Exact", "NotOlderThan", ""]))
    if match == "Exact" and options.resource_version == "0":
        faults.append(forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    return faults


def _watch_faults(options: ListOptions) -> list[FieldError]:
    field, match, faults = "resourceVersionMatch", options.resource_version_match, []
    if options.send_initial_events is not None and match != "NotOlderThan":
        faults.append(forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match:
        if options.send_initial_events is None:
            detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            faults.append(forbidden(field, detail))
        if match != "NotOlderThan":
            faults.append(not_supported(field, match, ["NotOlderThan"]))
        if options.continue_token:
            faults.append(forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    return faults


def check_timeout(text: str) -> None:
    """Refuse a ``timeout`` that is no duration of Go's. Raises BadRequest."""
    if text:
        try:
            nanoseconds(text)
        except ValueError as error:
            raise BadRequest(f"invalid timeout specified in the request URL - {error}") from None


def parse_revision(text: str) -> int:
    """A resourceVersion parameter; "" is 0. Raises BadRequest."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        quoted = go_value(text)
        why = f"resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: invalid syntax"
        raise BadRequest(f"invalid resource version: {why}")
    return int(text)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of create, update and patch. ``force`` is for server-side apply only."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""
    force: bool = False


def write_options(query: Query, kind: str, *, apply: bool = False) -> WriteOptions:
    """Read and check; ``kind`` is CreateOptions, UpdateOptions or PatchOptions. Raises Invalid."""
    manager, force = _first(query, "fieldManager"), _first(query, "force")
    faults: list[FieldError] = []
    if apply and not manager:
        faults.append(required("fieldManager", "is required for apply patch"))
    if force and kind == "PatchOptions" and not apply:
        faults.append(forbidden("force", "may not be specified for non-apply patch"))
    faults += _manager_faults(manager)
    faults += _dry_run_faults(query.get("dryRun", []))
    validation = _first(query, "fieldValidation")
    if validation not in _VALIDATIONS:
        faults.append(not_supported("fieldValidation", validation, list(_VALIDATIONS)))
    _check(kind, faults)
    return WriteOptions(bool(query.get("dryRun")), manager, validation, is_true(force))


def _manager_faults(manager: str) -> list[FieldError]:
    faults = [too_long("fieldManager", _LONGEST_MANAGER)] if len(manager.encode()) > _LONGEST_MANAGER else []
    for position, character in enumerate(manager):
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {position})"
            faults.append(invalid("fieldManager", manager, detail))
    return faults


def _dry_run_faults(values: Sequence[str]) -> list[FieldError]:
    if all(value == "All" for value in values):
        return []
    return [not_supported("dryRun", list(values), ["All"])]


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. ``propagation`` is "" where the kind's default applies."""

    grace_seconds: int | None = None
    propagation: str = ""
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def delete_options(query: Query, body: Object | None) -> DeleteOptions:
    """From a DeleteOptions body (with or without its kind), or from the query where there is none. Raises Invalid."""
    given = body if body else _delete_query(query)
    preconditions: dict[str, Any] = given.get("preconditions") or {}
    grace = given.get("gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise BadRequest("DeleteOptions.gracePeriodSeconds: expected an integer")
    options = DeleteOptions(
        grace_seconds=1 if grace is not None and grace < 0 else grace,
        propagation=given.get("propagationPolicy") or "",
        orphan_dependents=given.get("orphanDependents"),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=bool(given.get("dryRun") or query.get("dryRun")),
    )
    _check("DeleteOptions", [*_propagation_faults(options), *_dry_run_faults(given.get("dryRun") or [])])
    return options


def _delete_query(query: Query) -> Object:
    orphan = _first(query, "orphanDependents")
    return {
        "gracePeriodSeconds": _integer(query, "gracePeriodSeconds"),
        "propagationPolicy": _first(query, "propagationPolicy"),
        "orphanDependents": is_true(orphan) if orphan else None,
        "dryRun": query.get("dryRun"),
    }


def _propagation_faults(options: DeleteOptions) -> list[FieldError]:
    field, policy, faults = "propagationPolicy", options.propagation, []
    if policy and options.orphan_dependents is not None:
        faults.append(invalid(field, policy, "orphanDependents and deletionPropagation cannot be both set"))
    if policy not in ("", "Foreground", "Background", "Orphan"):
        faults.append(not_supported(field, policy, ["Foreground", "Background", "Orphan", "nil"]))
    return faults
