"""Deployments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, immutable, nonnegative, same
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.defaults import default_template
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status, keep_metadata
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
    format_selector,
)
from apiserver.registry.workload import (
    amount_of,
    validate_at_most_all,
    validate_collisions,
    validate_int_or_percent,
    validate_replica_status,
    validate_selected_template,
    validate_selector,
    warn_named_template,
)
from minikube_py.api.fields import forbidden, invalid, not_supported, required
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_COUNTS = ("updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def _default(deployment: Object) -> None:
    spec = deployment.setdefault("spec", {})
    for name, value in (("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)):
        if spec.get(name) is None:
            spec[name] = value
    strategy_ = spec["strategy"] = spec.get("strategy") or {}
    strategy_["type"] = strategy_.get("type") or "RollingUpdate"
    if strategy_["type"] == "RollingUpdate":
        rolling = strategy_["rollingUpdate"] = strategy_.get("rollingUpdate") or {}
        for name in ("maxUnavailable", "maxSurge"):
            if rolling.get(name) is None:
                rolling[name] = "25%"
    default_template(spec.setdefault("template", {}))


def _validate(deployment: Object, errors: Errors) -> None:
    spec = deployment["spec"]
    nonnegative(spec, "replicas", "spec", errors)
    sound = validate_selector(spec, "deployment", errors)
    validate_selected_template(spec, "ReplicaSet", errors, sound=sound)
    _validate_strategy(spec.get("strategy") or {}, "spec.strategy", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    nonnegative(spec, "revisionHistoryLimit", "spec", errors)
    nonnegative(spec, "progressDeadlineSeconds", "spec", errors)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))


def _validate_strategy(strategy_: Fields, path: str, errors: Errors) -> None:
    kind, rolling = strategy_.get("type"), strategy_.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(forbidden(f"{path}.rollingUpdate", detail))
    elif kind != "RollingUpdate":
        errors.append(not_supported(path, _shown(strategy_), ("Recreate", "RollingUpdate")))
    elif rolling is None:
        errors.append(required(f"{path}.rollingUpdate", "this should be defaulted and never be nil"))
    else:
        _validate_rolling(rolling, f"{path}.rollingUpdate", errors)


def _shown(strategy_: Fields) -> Fields:
    return {"Type": strategy_.get("type") or "", "RollingUpdate": strategy_.get("rollingUpdate")}


def _validate_rolling(rolling: Fields, path: str, errors: Errors) -> None:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    validate_int_or_percent(unavailable, f"{path}.maxUnavailable", errors)
    validate_int_or_percent(surge, f"{path}.maxSurge", errors)
    if not amount_of(unavailable) and not amount_of(surge):
        detail = "may not be 0 when `maxSurge` is 0"
        errors.append(invalid(f"{path}.maxUnavailable", unavailable, detail))
    validate_at_most_all(unavailable, f"{path}.maxUnavailable", errors)


def _prepare_change(new: Object, old: Object, _ctx: RequestContext) -> None:
    if not same(annotations_of(new), annotations_of(old)) and same(new.get("spec"), old.get("spec")):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors)


def _prepare_status(new: Object, old: Object, ctx: RequestContext) -> None:
    keep_all_but_status(new, old, ctx)
    keep_metadata(new, old)


def _validate_status(new: Object, old: Object, errors: Errors) -> None:
    validate_replica_status(new.get("status") or {}, _COUNTS, errors, ready="readyReplicas")
    validate_collisions(new, old, errors)


def _cells(deployment: Object, now: datetime) -> list[Any]:
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    return [
        name_of(deployment),
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        age(deployment, now),
        *container_cells(spec.get("template")),
        format_selector(spec.get("selector")),
    ]


_TABLE = Table(
    (
        NAME,
        Column("Ready", description="How many pods are ready, of how many wanted."),
        Column("Up-to-date", description="Pods made from the newest template."),
        Column("Available", description="Pods ready for at least minReadySeconds."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """Deployments. A change of annotations counts as a new generation too."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        generation_fields=("spec",),
        prepare_change=_prepare_change,
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=_prepare_status, validate=_validate_status)},
        table=_TABLE,
        warner=warn_named_template,
    )
