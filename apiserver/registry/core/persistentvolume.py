"""PersistentVolumes."""

from __future__ import annotations

import posixpath
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Errors, Fields, check, immutable, one_of, require, same
from apiserver.registry.context import RequestContext
from apiserver.registry.core.podspec.defaults import default_volume_sources
from apiserver.registry.core.podspec.scheduling import validate_node_selector
from apiserver.registry.core.podspec.sources import VOLUME_MODES, validate_access_modes
from apiserver.registry.core.storageclaims import BETA_ANNOTATION, short_modes, storage_class_of
from apiserver.registry.core.volumesources import PERSISTENT_SOURCES, validate_persistent_source
from apiserver.registry.difference import difference
from apiserver.registry.quantities import amount, canonical, default_resource_list, validate_positive_quantity
from apiserver.registry.strategy import KindStrategy, UpdateRules, keep_all_but_status
from apiserver.registry.table import AGE, NAME, Column, Table, age, wide
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, not_supported, required
from minikube_py.api.meta import annotations_of, format_time, name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_POLICIES = ("Delete", "Recycle", "Retain")
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_WITHOUT_OPTIONS = frozenset(
    {"hostPath", "flocker", "fc", "flexVolume", "portworxVolume", "scaleIO", "local", "storageos", "csi"}
)
_DEPRECATED = {
    BETA_ANNOTATION: 'deprecated since v1.8; use "storageClassName" attribute instead',
    _MOUNT_OPTIONS: 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_DEAD = {
    "cephfs": "v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "v1.11, non-functional in v1.16+",
    "scaleIO": "v1.16, non-functional in v1.22+",
    "storageOS": "v1.22, non-functional in v1.25+",
    "glusterfs": "v1.25, non-functional in v1.26+",
    "rbd": "v1.28, non-functional in v1.31+",
}
_RECYCLE = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."


def _default(volume: Object) -> None:
    spec = volume.setdefault("spec", {})
    default_resource_list(spec.get("capacity"))
    default_volume_sources(spec)
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    volume.setdefault("status", {}).setdefault("phase", "Pending")


def _prepare_new(volume: Object, ctx: RequestContext) -> None:
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": format_time(ctx.now)}


def _prepare_status(new: Object, old: Object, ctx: RequestContext) -> None:
    keep_all_but_status(new, old, ctx)
    status, before = new.setdefault("status", {}), old.get("status") or {}
    given, was = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
    if status.get("phase") == before.get("phase"):
        if given is None and was is not None:
            status["lastPhaseTransitionTime"] = was
    elif given is None or given == was:
        status["lastPhaseTransitionTime"] = format_time(ctx.now)


def _validate(volume: Object, errors: Errors) -> None:
    spec = volume["spec"]
    _validate_modes(spec, errors)
    _validate_capacity(spec.get("capacity") or {}, errors)
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy:
        one_of(policy, _POLICIES, "spec.persistentVolumeReclaimPolicy", errors)
    affinity = spec.get("nodeAffinity")
    if affinity is not None and affinity.get("required") is None:
        errors.append(required("spec.nodeAffinity.required", "must specify required node constraints"))
    elif affinity is not None:
        validate_node_selector(affinity["required"], "spec.nodeAffinity.required", errors)
    given = validate_persistent_source(spec, name_of(volume), "spec", errors)
    root = posixpath.normpath((spec.get("hostPath") or {}).get("path") or ".") == "/"
    if root and policy == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(forbidden("spec.persistentVolumeReclaimPolicy", detail))
    _validate_classes(spec, errors)
    if given in _WITHOUT_OPTIONS and _MOUNT_OPTIONS in annotations_of(volume):
        detail = "may not specify mount options for this volume type"
        errors.append(forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", detail))


def _validate_modes(spec: Fields, errors: Errors) -> None:
    if require(spec, "accessModes", "spec", errors):
        validate_access_modes(spec["accessModes"], "spec.accessModes", errors)


def _validate_capacity(capacity: Fields, errors: Errors) -> None:
    if not capacity:
        errors.append(required("spec.capacity"))
    if set(capacity) != {"storage"}:
        errors.append(not_supported("spec.capacity", capacity or None, ("storage",)))
    for name, value in capacity.items():
        if amount(value) < 0:
            errors.append(invalid(f"spec.capacity[{name}]", int(amount(value)), "must be a valid resource quantity"))
        validate_positive_quantity(value, f"spec.capacity[{name}]", errors)


def _validate_classes(spec: Fields, errors: Errors) -> None:
    if spec.get("storageClassName"):
        check(names.subdomain_name, spec["storageClassName"], "spec.storageClassName", errors)
    if spec.get("volumeMode") is not None:
        one_of(spec["volumeMode"], VOLUME_MODES, "spec.volumeMode", errors)
    attributes = spec.get("volumeAttributesClassName")
    if attributes is None:
        return
    if not attributes:
        errors.append(required("spec.volumeAttributesClassName", "an empty string is disallowed"))
    else:
        check(names.subdomain_name, attributes, "spec.volumeAttributesClassName", errors)
    if spec.get("csi") is None:
        errors.append(required("spec.csi", "has to be specified when using volumeAttributesClassName"))


def _source(volume: Object) -> Fields:
    return {kind: volume["spec"][kind] for kind in PERSISTENT_SOURCES if volume["spec"].get(kind) is not None}


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    source, before = _source(new), _source(old)
    secret = "controllerExpandSecretRef"
    if "csi" in source and "csi" in before and before["csi"].get(secret) is None:
        source["csi"] = {name: value for name, value in source["csi"].items() if name != secret}
    if not same(source, before):
        detail = f"spec.persistentvolumesource is immutable after creation\n{difference(before, source)}"
        errors.append(forbidden("spec.persistentvolumesource", detail))
    immutable(new["spec"].get("volumeMode"), old["spec"].get("volumeMode"), "volumeMode", errors)
    if not same(new["spec"].get("nodeAffinity"), old["spec"].get("nodeAffinity")) and old["spec"].get("nodeAffinity"):
        detail = "field is immutable, except for updating from beta label to GA"
        immutable(new["spec"].get("nodeAffinity"), old["spec"]["nodeAffinity"], "nodeAffinity", errors, detail)
    attributes = "volumeAttributesClassName"
    if old["spec"].get(attributes) is not None and new["spec"].get(attributes) is None:
        errors.append(forbidden(f"spec.{attributes}", "update from non-nil value to nil is forbidden"))


def _warn(volume: Object, _old: Object | None) -> list[str]:
    spec, annotations = volume["spec"], annotations_of(volume)
    warnings = [f"metadata.annotations[{key}]: {text}" for key, text in _DEPRECATED.items() if key in annotations]
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        warnings.append(f"spec.persistentVolumeReclaimPolicy: {_RECYCLE}")
    given = {kind.lower() for kind in _source(volume)}
    return warnings + [f"spec.{kind}: deprecated in {text}" for kind, text in _DEAD.items() if kind.lower() in given]


def _cells(volume: Object, now: datetime) -> list[Any]:
    spec, status = volume.get("spec") or {}, volume.get("status") or {}
    claim, attributes = spec.get("claimRef"), spec.get("volumeAttributesClassName")
    mode = spec.get("volumeMode")
    return [
        name_of(volume),
        canonical((spec.get("capacity") or {}).get("storage") or "0"),
        short_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy") or "",
        "Terminating" if volume["metadata"].get("deletionTimestamp") else status.get("phase") or "",
        f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else "",
        storage_class_of(volume),
        "<unset>" if attributes is None else attributes,
        status.get("reason") or "",
        age(volume, now),
        "<unset>" if mode is None else mode,
    ]


_TABLE = Table(
    (
        NAME,
        Column("Capacity", description="Its size."),
        Column("Access Modes", description="How it can be mounted."),
        Column("Reclaim Policy", description="What becomes of it when its claim is gone."),
        Column("Status", description="Whether it is free, bound or released."),
        Column("Claim", description="The claim it is bound to."),
        Column("StorageClass", description="The class of storage it belongs to."),
        Column("VolumeAttributesClass", description="The class of its attributes."),
        Column("Reason", description="Why it is in its status."),
        AGE,
        wide("VolumeMode", "Whether it is a file system or a block device."),
    ),
    _cells,
)


def strategy(resource: Resource) -> KindStrategy:
    """PersistentVolumes."""
    return KindStrategy(
        resource=resource,
        defaulter=_default,
        has_status=True,
        prepare_new=_prepare_new,
        validate=_validate,
        validate_change=_validate_change,
        subresources={"status": UpdateRules(prepare=_prepare_status)},
        table=_TABLE,
        warner=_warn,
    )
