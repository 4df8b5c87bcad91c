"""ReplicationControllers, whose selector is a plain map of labels."""

from __future__ import annotations

from apiserver.registry.checks import Errors, nonnegative
from apiserver.registry.core.podspec.defaults import default_template
from apiserver.registry.core.podspec.spec import validate_template
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import format_labels
from apiserver.registry.workload import (
    MISMATCH,
    replica_table,
    validate_always_running,
    validate_replica_status,
    warn_named_template,
)
from minikube_py.api.fields import invalid, required
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _default(controller: Object) -> None:
    spec, meta = controller.setdefault("spec", {}), controller.setdefault("metadata", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    template = spec.get("template")
    labels = ((template or {}).get("metadata") or {}).get("labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
        meta["labels"] = meta.get("labels") or dict(labels)
    default_template(template)


def _validate(controller: Object, errors: Errors) -> None:
    spec = controller["spec"]
    nonnegative(spec, "minReadySeconds", "spec", errors)
    selector, template = spec.get("selector") or {}, spec.get("template")
    if not selector:
        errors.append(required("spec.selector"))
    nonnegative(spec, "replicas", "spec", errors)
    if template is None:
        errors.append(required("spec.template"))
        return
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector.items() <= labels.items():
        errors.append(invalid("spec.template.metadata.labels", labels, MISMATCH))
    validate_template(template, "spec.template", errors)
    validate_always_running(template, "ReplicationController", errors)


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    validate_replica_status(new.get("status") or {}, _COUNTS, errors, ready="readyReplicas")


def strategy(resource: Resource) -> KindStrategy:
    """ReplicationControllers."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        new_status=lambda: {"replicas": 0},
        generation_fields=("spec",),
        validate=_validate,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=replica_table(format_labels),
        warner=warn_named_template,
    )
