"""DaemonSets."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, immutable, nonnegative, same
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.defaults import default_template
from apiserver.registry.core.podspec.spec import validate_template
from apiserver.registry.labelselectors import is_empty, matches, validate_label_selector
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
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
    format_labels,
    format_selector,
)
from apiserver.registry.workload import (
    MISMATCH,
    amount_of,
    validate_always_running,
    validate_at_most_all,
    validate_collisions,
    validate_int_or_percent,
    warn_template,
)
from minikube_py.api.fields import invalid, not_supported, required
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_GENERATION = re.compile(r"[0-9]{1,18}")
_COUNTS = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
    "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
)  # fmt: skip

#: How often the template has changed: a field of the oldest versions, which later ones carry as an annotation.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_ALWAYS_SHOWN = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def _default(daemon_set: Object) -> None:
    spec = daemon_set.setdefault("spec", {})
    update = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    update["type"] = update.get("type") or "RollingUpdate"
    if update["type"] == "RollingUpdate":
        rolling = update["rollingUpdate"] = update.get("rollingUpdate") or {}
        for name, value in (("maxUnavailable", 1), ("maxSurge", 0)):
            if rolling.get(name) is None:
                rolling[name] = value
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    default_template(spec.setdefault("template", {}))
    _set_generation(daemon_set, _generation(daemon_set))


def _generation(daemon_set: Object) -> int:
    text = annotations_of(daemon_set).get(TEMPLATE_GENERATION, "")
    return int(text) if _GENERATION.fullmatch(text) else 0


def _set_generation(daemon_set: Object, generation: int) -> None:
    meta = daemon_set.setdefault("metadata", {})
    meta["annotations"] = (meta.get("annotations") or {}) | {TEMPLATE_GENERATION: str(generation)}


def _prepare_new(daemon_set: Object, _ctx: RequestContext) -> None:
    _set_generation(daemon_set, max(1, _generation(daemon_set)))


def _prepare_change(new: Object, old: Object, _ctx: RequestContext) -> None:
    changed = not same(new["spec"].get("template"), old["spec"].get("template"))
    _set_generation(new, _generation(old) + (1 if changed else 0))


def _validate(daemon_set: Object, errors: Errors) -> None:
    spec = daemon_set["spec"]
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    validate_label_selector(selector, "spec.selector", errors)
    if not matches(selector, labels):
        errors.append(invalid("spec.template.metadata.labels", labels, MISMATCH))
    if selector is not None and is_empty(selector):
        errors.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
    validate_template(template, "spec.template", errors)
    validate_always_running(template, "DaemonSet", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    _validate_update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", errors)
    nonnegative(spec, "revisionHistoryLimit", "spec", errors)


def _validate_update_strategy(update: Fields, path: str, errors: Errors) -> None:
    kind, rolling = update.get("type"), update.get("rollingUpdate")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = {"Type": kind or "", "RollingUpdate": rolling}
        errors.append(not_supported(path, shown, ("RollingUpdate", "OnDelete")))
    elif rolling is None:
        errors.append(required(f"{path}.rollingUpdate"))
    else:
        _validate_rolling(rolling, f"{path}.rollingUpdate", errors)


def _validate_rolling(rolling: Fields, path: str, errors: Errors) -> None:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        validate_int_or_percent(value, f"{path}.{name}", errors)
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        validate_at_most_all(value, f"{path}.{name}", errors)
    if amount_of(unavailable) and amount_of(surge):
        errors.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    if not amount_of(unavailable) and not amount_of(surge):
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors)


def _validate_status(new: Object, old: Object, errors: Errors) -> None:
    status = new.get("status") or {}
    for name in _COUNTS:
        nonnegative(status, name, "status", errors)
    validate_collisions(new, old, errors)


def _cells(daemon_set: Object, now: datetime) -> list[Any]:
    spec, status = daemon_set.get("spec") or {}, daemon_set.get("status") or {}
    template = spec.get("template") or {}
    return [
        name_of(daemon_set),
        status.get("desiredNumberScheduled") or 0,
        status.get("currentNumberScheduled") or 0,
        status.get("numberReady") or 0,
        status.get("updatedNumberScheduled") or 0,
        status.get("numberAvailable") or 0,
        format_labels((template.get("spec") or {}).get("nodeSelector")),
        age(daemon_set, now),
        *container_cells(template),
        format_selector(spec.get("selector")),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Desired", "integer", "Nodes that should run a pod."),
        Column("Current", "integer", "Nodes that run one and should."),
        Column("Ready", "integer", "Nodes whose pod is ready."),
        Column("Up-to-date", "integer", "Nodes whose pod is of the newest template."),
        Column("Available", "integer", "Nodes whose pod was ready for at least minReadySeconds."),
        Column("Node Selector", description="Labels of the nodes that run a pod."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """DaemonSets."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        prepare_new=_prepare_new,
        prepare_change=_prepare_change,
        new_status=lambda: dict.fromkeys(_ALWAYS_SHOWN, 0),
        generation_fields=("spec",),
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=_TABLE,
        warner=warn_template,
    )
