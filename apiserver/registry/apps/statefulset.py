"""StatefulSets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable, nonnegative, one_of, without
from apiserver.registry.core.podspec.defaults import default_claim_spec, default_template
from apiserver.registry.core.podspec.sources import validate_claim_spec
from apiserver.registry.core.podspec.spec import validate_template
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, CONTAINERS, IMAGES, NAME, Column, Table, age, container_cells
from apiserver.registry.workload import (
    amount_of,
    validate_always_running,
    validate_at_most_all,
    validate_collisions,
    validate_int_or_percent,
    validate_replica_status,
    validate_selected_labels,
    validate_selector,
    warn_template,
)
from minikube_py.api import names
from minikube_py.api.fields import invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_COUNTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_RETENTION = ("Retain", "Delete")
_KEPT = ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy")


def _default(stateful_set: Object) -> None:
    spec = stateful_set.setdefault("spec", {})
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    update = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    if not update.get("type"):
        update["type"] = "RollingUpdate"
        update["rollingUpdate"] = update.get("rollingUpdate") or {}
    rolling = update.get("rollingUpdate")
    if update["type"] == "RollingUpdate" and rolling is not None:
        for name, value in (("partition", 0), ("maxUnavailable", 1)):
            if rolling.get(name) is None:
                rolling[name] = value
    retention = spec["persistentVolumeClaimRetentionPolicy"] = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for name in ("whenDeleted", "whenScaled"):
        retention[name] = retention.get(name) or "Retain"
    for name, value in (("replicas", 1), ("revisionHistoryLimit", 10)):
        if spec.get(name) is None:
            spec[name] = value
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        default_claim_spec(claim.setdefault("spec", {}))
        claim["status"] = {"phase": "Pending"} | (claim.get("status") or {})
    default_template(spec.setdefault("template", {}))


def _validate(stateful_set: Object, errors: Errors) -> None:
    spec = stateful_set["spec"]
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        detail = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid("spec.podManagementPolicy", policy, detail))
    _validate_update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", errors)
    for name, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        path = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
        one_of(value, _RETENTION, path, errors, listed=_RETENTION)
    nonnegative(spec, "replicas", "spec", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    nonnegative(spec.get("ordinals") or {}, "start", "spec.ordinals", errors)
    sound = validate_selector(spec, "statefulset", errors)
    if sound:
        _validate_template(spec, errors)
    else:
        errors.append(invalid("spec.selector", spec.get("selector"), ""))
    validate_always_running(spec.get("template") or {}, "StatefulSet", errors)


def _validate_new(stateful_set: Object, errors: Errors) -> None:
    spec = stateful_set["spec"]
    if spec.get("serviceName"):
        check(names.dns1123_label, spec["serviceName"], "spec.serviceName", errors)
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        validate_claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec", errors)


def _validate_update_strategy(update: Fields, path: str, errors: Errors) -> None:
    kind, rolling = update.get("type"), update.get("rollingUpdate")
    if not kind:
        errors.append(required(path))
    elif kind == "OnDelete":
        if rolling is not None:
            detail = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid(f"{path}.rollingUpdate", rolling, detail))
    elif kind != "RollingUpdate":
        errors.append(invalid(path, update, "must be 'RollingUpdate' or 'OnDelete'"))
    elif rolling is not None:
        _validate_rolling(rolling, f"{path}.rollingUpdate", errors)


def _validate_rolling(rolling: Fields, path: str, errors: Errors) -> None:
    nonnegative(rolling, "partition", path, errors)
    unavailable = rolling.get("maxUnavailable")
    if unavailable is None:
        return
    validate_int_or_percent(unavailable, f"{path}.maxUnavailable", errors)
    if amount_of(unavailable) == 0:
        errors.append(invalid(f"{path}.maxUnavailable", unavailable, "cannot be 0"))
    validate_at_most_all(unavailable, f"{path}.maxUnavailable", errors)


def _validate_template(spec: Fields, errors: Errors) -> None:
    """The template as its pods will look: with the claims' volumes, without the names each pod gets of its own."""
    template = spec.get("template") or {}
    validate_selected_labels(spec, errors)
    pod = without(template.get("spec") or {}, "subdomain", "hostname")
    claims = [(claim.get("metadata") or {}).get("name") or "" for claim in spec.get("volumeClaimTemplates") or ()]
    if claims:
        mounted = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
        pod["volumes"] = mounted + [v for v in pod.get("volumes") or () if v.get("name") not in claims]
    validate_template(template | {"spec": pod}, "spec.template", errors)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    for name in _KEPT:
        immutable(_comparable(new, name), _comparable(old, name), f"spec.{name}", errors)


def _comparable(stateful_set: Object, name: str) -> Any:
    value = stateful_set["spec"].get(name)
    if name == "volumeClaimTemplates":
        return [without(claim, "status", "apiVersion", "kind") for claim in value or ()]
    return value


def _validate_status(new: Object, old: Object, errors: Errors) -> None:
    validate_replica_status(new.get("status") or {}, _COUNTS, errors, ready="status.readyReplicas")
    validate_collisions(new, old, errors)


def _warn(stateful_set: Object, old: Object | None) -> list[str]:
    warnings = warn_template(stateful_set, old)
    if (stateful_set["spec"].get("revisionHistoryLimit") or 0) < 0:
        advice = "a negative value retains all historical revisions; a value >= 0 is recommended"
        warnings.append(f"spec.revisionHistoryLimit: {advice}")
    return warnings


def _cells(stateful_set: Object, now: datetime) -> list[Any]:
    spec, status = stateful_set.get("spec") or {}, stateful_set.get("status") or {}
    return [
        name_of(stateful_set),
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        age(stateful_set, now),
        *container_cells(spec.get("template")),
    ]


def strategy(resource: Resource) -> KindStrategy:
    """StatefulSets."""
    ready = Column("Ready", description="How many pods are ready, of how many wanted.")
    return KindStrategy(
        resource=resource,
        name_rule=names.label_name,
        defaulter=_default,
        has_status=True,
        new_status=lambda: {"replicas": 0, "availableReplicas": 0},
        generation_fields=("spec",),
        validate=_validate,
        validate_new=_validate_new,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=Table((NAME, ready, AGE, CONTAINERS, IMAGES), _cells),
        warner=_warn,
    )
