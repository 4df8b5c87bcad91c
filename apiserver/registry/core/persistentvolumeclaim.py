"""PersistentVolumeClaims."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, immutable, same, without
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.defaults import default_claim_spec
from apiserver.registry.core.podspec.sources import validate_claim_spec
from apiserver.registry.core.storageclaims import BETA_ANNOTATION, short_modes, storage_class_of
from apiserver.registry.difference import difference
from apiserver.registry.quantities import amount, canonical, default_resource_list
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, NAME, Column, Table, age, wide
from minikube_py.api.fields import forbidden, required
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.quantity import is_whole
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_STORAGE = "spec.resources.requests.storage"
_DEPRECATED = 'deprecated since v1.8; use "storageClassName" attribute instead'


def _default(claim: Object) -> None:
    default_claim_spec(claim.setdefault("spec", {}))
    status = claim.setdefault("status", {})
    status.setdefault("phase", "Pending")
    default_resource_list(status.get("capacity"))
    default_resource_list(status.get("allocatedResources"))


def _prepare_new(claim: Object, _ctx: RequestContext) -> None:
    claim["status"] = {"phase": "Pending"}
    _align_sources(claim["spec"])


def _prepare_change(new: Object, _old: Object, _ctx: RequestContext) -> None:
    _align_sources(new["spec"])


def _align_sources(spec: Fields) -> None:
    """A data source given in one of its two forms is given in both."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = without(reference, "namespace")


def _validate(claim: Object, errors: Errors) -> None:
    validate_claim_spec(claim["spec"], "spec", errors)


def _requested(claim: Object) -> Any:
    return ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage") or 0


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    wanted, before = _comparable(new, old), dict(old["spec"])
    _align_sources(before)
    if not before.get("volumeName"):
        before["volumeName"] = wanted.get("volumeName")
    if not same(wanted, before):
        errors.append(forbidden("spec", f"{_FIXED}\n{difference(before, wanted)}"))
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage") or 0
    if amount(_requested(new)) < amount(_requested(old)) and amount(_requested(new)) <= amount(capacity):
        errors.append(forbidden(_STORAGE, "field can not be less than status.capacity"))
    immutable(new["spec"].get("volumeMode"), old["spec"].get("volumeMode"), "volumeMode", errors)
    _validate_attributes_class(new, old, errors)


def _comparable(new: Object, old: Object) -> Fields:
    """The new spec with what may change put back as it was."""
    spec, before = dict(new["spec"]), old["spec"]
    chosen, annotated = spec.get("storageClassName"), annotations_of(old).get(BETA_ANNOTATION)
    if chosen is not None and before.get("storageClassName") is None and annotated in (None, chosen):
        spec["storageClassName"] = None
    if (old.get("status") or {}).get("phase") != "Bound":
        return spec
    spec["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    resources = spec.get("resources") or {}
    if resources.get("requests"):
        requests = resources["requests"] | {"storage": _requested(old)}
        spec["resources"] = resources | {"requests": requests}
    return spec


def _validate_attributes_class(new: Object, old: Object, errors: Errors) -> None:
    chosen = new["spec"].get("volumeAttributesClassName")
    changed = chosen != old["spec"].get("volumeAttributesClassName")
    if changed and not chosen and (old.get("status") or {}).get("currentVolumeAttributesClassName") is not None:
        what = "nil" if chosen is None else "empty string"
        detail = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        errors.append(forbidden("spec.volumeAttributesClassName", detail))


def _validate_status(new: Object, _old: Object, errors: Errors) -> None:
    if not new["spec"].get("accessModes"):
        errors.append(required("Spec.accessModes"))


def _warn(claim: Object, _old: Object | None) -> list[str]:
    warnings = []
    if BETA_ANNOTATION in annotations_of(claim):
        warnings.append(f"metadata.annotations[{BETA_ANNOTATION}]: {_DEPRECATED}")
    resources = claim["spec"].get("resources") or {}
    for kind in ("requests", "limits"):
        value = (resources.get(kind) or {}).get("storage") or 0
        if not is_whole(amount(value)):
            path = f"spec.resources.{kind}[storage]"
            warnings.append(f'{path}: fractional byte value "{canonical(value)}" is invalid, must be an integer')
    return warnings


def _cells(claim: Object, now: datetime) -> list[Any]:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    bound = bool(spec.get("volumeName"))
    capacity = canonical((status.get("capacity") or {}).get("storage") or "0") if bound else ""
    attributes, mode = spec.get("volumeAttributesClassName"), spec.get("volumeMode")
    return [
        name_of(claim),
        "Terminating" if claim["metadata"].get("deletionTimestamp") else status.get("phase") or "",
        spec.get("volumeName") or "",
        capacity,
        short_modes(status.get("accessModes")) if bound else "",
        storage_class_of(claim),
        "<unset>" if attributes is None else attributes,
        age(claim, now),
        "<unset>" if mode is None else mode,
    ]


_TABLE = Table(
    (
        NAME,
        Column("Status", description="Whether it is bound to a volume."),
        Column("Volume", description="The volume it is bound to."),
        Column("Capacity", description="The size of its volume."),
        Column("Access Modes", description="How its volume can be mounted."),
        Column("StorageClass", description="The class of storage it asks for."),
        Column("VolumeAttributesClass", description="The class of volume attributes it asks for."),
        AGE,
        wide("VolumeMode", "Whether the volume is a file system or a block device."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PersistentVolumeClaims."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        prepare_new=_prepare_new,
        prepare_change=_prepare_change,
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=keep_all_but_status, validate=_validate_status)},
        table=_TABLE,
        warner=_warn,
    )
