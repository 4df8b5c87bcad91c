"""ReplicaSets."""

from __future__ import annotations

from apiserver.registry.checks import Errors, immutable, nonnegative
from apiserver.registry.core.podspec.defaults import default_template
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import format_selector
from apiserver.registry.workload import (
    replica_table,
    validate_replica_status,
    validate_selected_template,
    validate_selector,
    warn_named_template,
)
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _default(replica_set: Object) -> None:
    spec = replica_set.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))


def _validate(replica_set: Object, errors: Errors) -> None:
    spec = replica_set["spec"]
    nonnegative(spec, "replicas", "spec", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    sound = validate_selector(spec, "deployment", errors)
    validate_selected_template(spec, "ReplicaSet", errors, sound=sound)


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors)


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    validate_replica_status(new.get("status") or {}, _COUNTS, errors, ready="readyReplicas")


def strategy(resource: Resource) -> KindStrategy:
    """ReplicaSets."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        new_status=lambda: {"replicas": 0},
        generation_fields=("spec",),
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=replica_table(format_selector),
        warner=warn_named_template,
    )
