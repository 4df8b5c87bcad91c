"""Events: one stored form under two groups, ``v1`` and ``events.k8s.io/v1``.

Both arrive here in the stored form, ``v1``; the newer group checks more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, check, immutable
from apiserver.registry.strategy import KindStrategy, nothing
from apiserver.registry.table import NAME_DESCRIPTION, Column, Table, since, wide
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_LIMIT, _NOTE_LIMIT = 128, 1024
_KEPT = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def _involved(event: Object) -> dict[str, Any]:
    return event.get("involvedObject") or {}


def _default(event: Object) -> None:
    event.setdefault("source", {})
    event.setdefault("reportingComponent", "")
    event.setdefault("reportingInstance", "")


def _validate(event: Object, errors: Errors) -> None:
    namespace, involved = namespace_of(event), _involved(event).get("namespace") or ""
    mismatch = invalid("involvedObject.namespace", involved, "does not match event.namespace")
    if not event.get("eventTime"):
        if (involved and involved != namespace) or (not involved and namespace not in ("", "default")):
            errors.append(mismatch)
        return
    if not involved and namespace not in ("default", "kube-system"):
        errors.append(mismatch)
    controller = event.get("reportingComponent") or ""
    if not controller:
        errors.append(required("reportingComponent"))
    check(names.qualified_name, controller, "reportingComponent", errors)
    for name in ("reportingInstance", "action", "reason"):
        value = event.get(name) or ""
        if not value:
            errors.append(required(name))
        if len(value) > _LIMIT:
            errors.append(invalid(name, "", f"can have at most {_LIMIT} characters"))
    if len(event.get("message") or "") > _NOTE_LIMIT:
        errors.append(invalid("message", "", f"can have at most {_NOTE_LIMIT} characters"))


def _validate_new_v1(event: Object, errors: Errors) -> None:
    _validate_series(event, errors)
    if not event.get("eventTime"):
        errors.append(required("eventTime"))
    if event.get("type") not in ("Normal", "Warning"):
        errors.append(invalid("type", "", f"has invalid value: {event.get('type') or ''}"))
    for name in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if event.get(name):
            errors.append(invalid(name, "", "needs to be unset"))


def _validate_series(event: Object, errors: Errors) -> None:
    series = event.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        errors.append(invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(required("series.lastObservedTime"))


def _validate_change_v1(new: Object, old: Object, errors: Errors) -> None:
    if new.get("series") != old.get("series"):
        _validate_series(new, errors)
    for name in _KEPT:
        immutable(new.get(name), old.get(name), name, errors)


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {instance}" if instance else component


def _cells(event: Object, now: datetime) -> list[Any]:
    first_seen = event.get("firstTimestamp")
    first = since(first_seen or event.get("eventTime"), now)
    last_seen = event.get("lastTimestamp")
    last = since(last_seen, now) if last_seen else first
    count = event.get("count") or 1
    series = event.get("series")
    if series is not None:
        last, count = since(series.get("lastObservedTime"), now), series.get("count") or 0
    involved = _involved(event)
    kind, name = (involved.get("kind") or "").lower(), involved.get("name") or ""
    return [
        last,
        event.get("type") or "",
        event.get("reason") or "",
        f"{kind}/{name}" if name else kind,
        involved.get("fieldPath") or "",
        _source(event),
        (event.get("message") or "").strip(),
        first,
        count,
        name_of(event),
    ]


_TABLE = Table(
    (
        Column("Last Seen", description="When it last happened."),
        Column("Type", description="Normal or Warning."),
        Column("Reason", description="Why, as one word for machines."),
        Column("Object", description="What it happened to."),
        wide("Subobject", "Which part of the object."),
        wide("Source", "Who reports it."),
        Column("Message", description="What happened, for people."),
        wide("First Seen", "When it first happened."),
        wide("Count", "How often it happened."),
        Column("Name", description=NAME_DESCRIPTION, priority=1, format="name"),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """Events of either group."""
    newer = resource.group != ""
    return KindStrategy(
        resource=resource,
        name_rule=names.path_segment,
        defaulter=_default,
        validate=_validate,
        validate_new=_validate_new_v1 if newer else nothing,
        validate_change=_validate_change_v1 if newer else nothing,
        table=_TABLE,
        allow_create_on_update=True,
    )
