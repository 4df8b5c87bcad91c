"""What the kinds that run pods from a template share: selector and template, replica counts, percentages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, nonnegative
from apiserver.registry.core.podspec.spec import validate_template
from apiserver.registry.core.podspec.warnings import template_warnings
from apiserver.registry.labelselectors import is_empty, matches, validate_label_selector
from apiserver.registry.table import (
    AGE,
    CONTAINERS,
    IMAGES,
    NAME,
    SELECTOR,
    Column,
    Table,
    age,
    container_cells,
)
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, not_supported, required
from minikube_py.api.meta import name_of
from minikube_py.api.types import Object

MISMATCH = "`selector` does not match template `labels`"
_TOO_MANY = "cannot be greater than status.replicas"
_POD_NAMES = (
    "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
)


def validate_selector(spec: Fields, kind: str, errors: Errors, *, needed: bool = True) -> bool:
    """spec.selector of a workload: there, sound, not empty. Says whether it can be matched."""
    selector = spec.get("selector")
    if selector is None:
        if needed:
            errors.append(required("spec.selector"))
        return True
    before = len(errors)
    validate_label_selector(selector, "spec.selector", errors)
    sound = len(errors) == before
    if is_empty(selector):
        errors.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))
    return sound


def validate_selected_template(spec: Fields, kind: str, errors: Errors, *, sound: bool) -> None:
    """spec.template: its labels satisfy the selector, its pods run forever."""
    if not sound:
        errors.append(invalid("spec.selector", spec.get("selector"), "invalid label selector"))
        return
    template = spec.get("template") or {}
    validate_selected_labels(spec, errors)
    validate_template(template, "spec.template", errors)
    validate_always_running(template, kind, errors)


def validate_selected_labels(spec: Fields, errors: Errors) -> None:
    """The template's labels satisfy the selector; an empty selector is complained of elsewhere."""
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if selector is None or (not is_empty(selector) and not matches(selector, labels)):
        errors.append(invalid("spec.template.metadata.labels", labels, MISMATCH))


def validate_always_running(template: Fields, kind: str, errors: Errors) -> None:
    """Pods of workloads that never complete restart always and have no deadline."""
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", pod.get("restartPolicy") or "", ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", detail))


def validate_int_or_percent(value: Any, path: str, errors: Errors) -> None:
    """A count, or a percentage such as ``25%``."""
    if isinstance(value, str):
        errors.extend(invalid(path, value, text) for text in names.percent(value))
    elif (value or 0) < 0:
        errors.append(invalid(path, value, "must be greater than or equal to 0"))


def validate_at_most_all(value: Any, path: str, errors: Errors) -> None:
    """A percentage that is not above 100."""
    if isinstance(value, str) and not names.percent(value) and amount_of(value) > 100:
        errors.append(invalid(path, value, "must not be greater than 100%"))


def amount_of(value: Any) -> int:
    """The number in a count or percentage; 0 where there is none."""
    if isinstance(value, str):
        digits = value.removesuffix("%")
        return int(digits) if digits.isascii() and digits.isdigit() else 0
    return int(value or 0)


def validate_replica_status(status: Fields, counts: tuple[str, ...], errors: Errors, *, ready: str) -> None:
    """Counts of replicas in a status: none negative, none above the whole. ``ready`` words the last refusal."""
    for name in ("replicas", *counts, "observedGeneration", "collisionCount", "terminatingReplicas"):
        nonnegative(status, name, "status", errors)
    total = status.get("replicas") or 0
    for name in counts:
        count = status.get(name) or 0
        if name != "unavailableReplicas" and count > total:
            errors.append(invalid(f"status.{name}", count, _TOO_MANY))
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        errors.append(invalid("status.availableReplicas", available, f"cannot be greater than {ready}"))


def validate_collisions(new: Object, old: Object, errors: Errors) -> None:
    """status.collisionCount only grows."""
    count = (new.get("status") or {}).get("collisionCount")
    before = (old.get("status") or {}).get("collisionCount")
    if before is not None and (count or 0) < before:
        errors.append(invalid("status.collisionCount", count or 0, "cannot be decremented"))


def pod_name_warnings(obj: Object) -> list[str]:
    """A name that makes odd host names."""
    found = names.dns1123_label(obj["metadata"].get("name") or "")
    return [f"metadata.name: {_POD_NAMES}: [{' '.join(found)}]"] if found else []


def warn_template(obj: Object, old: Object | None) -> list[str]:
    """Warnings about spec.template, where it is new or may have changed."""
    if old is not None and obj["metadata"].get("generation") == old["metadata"].get("generation"):
        return []
    return template_warnings((obj.get("spec") or {}).get("template"), "spec.template")


def warn_named_template(obj: Object, old: Object | None) -> list[str]:
    """The same, with the name on creation."""
    return (pod_name_warnings(obj) if old is None else []) + warn_template(obj, old)


def replica_table(show_selector: Callable[[Any], str]) -> Table:
    """The columns of the kinds that keep a number of pods: ReplicaSets and ReplicationControllers."""

    def cells(owner: Object, now: datetime) -> list[Any]:
        spec, status = owner.get("spec") or {}, owner.get("status") or {}
        return [
            name_of(owner),
            spec.get("replicas") or 0,
            status.get("replicas") or 0,
            status.get("readyReplicas") or 0,
            age(owner, now),
            *container_cells(spec.get("template")),
            show_selector(spec.get("selector")),
        ]

    counts = (
        Column("Desired", "integer", "Pods wanted."),
        Column("Current", "integer", "Pods that exist."),
        Column("Ready", "integer", "Pods that are ready."),
    )
    return Table((NAME, *counts, AGE, CONTAINERS, IMAGES, SELECTOR), cells)
