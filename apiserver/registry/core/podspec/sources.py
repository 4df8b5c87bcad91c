"""Checks of claims for storage: the spec of a PersistentVolumeClaim, also where a pod carries a template of one."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check, one_of, require
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.metadata import validate_annotations, validate_labels
from apiserver.registry.quantities import validate_positive_quantity
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required, too_long

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def validate_csi_driver_name(driver: str, path: str, errors: Errors) -> None:
    """A CSI driver's name: a subdomain in any case, 63 characters at most."""
    if not driver:
        errors.append(required(path))
        return
    if len(driver) > names.LABEL_MAX_LENGTH:
        errors.append(too_long(path, names.LABEL_MAX_LENGTH))
    errors.extend(invalid(path, driver, text) for text in names.dns1123_subdomain(driver.lower()))


def validate_access_modes(modes: list[str], path: str, errors: Errors) -> None:
    """At least one known mode; ReadWriteOncePod alone."""
    if not modes:
        errors.append(required(path, "at least 1 access mode is required"))
    for mode in modes:
        one_of(mode, ACCESS_MODES, path, errors)
    others = set(modes) & set(ACCESS_MODES) - {"ReadWriteOncePod"}
    if "ReadWriteOncePod" in modes and others:
        errors.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))


def validate_claim_spec(spec: Fields, path: str, errors: Errors) -> None:
    """``ValidatePersistentVolumeClaimSpec``."""
    modes = spec.get("accessModes") or []
    if not modes:
        errors.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    validate_label_selector(spec.get("selector"), f"{path}.selector", errors)
    if modes:
        validate_access_modes(modes, f"{path}.accessModes", errors)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        errors.append(required(f"{path}.resources[storage]"))
    else:
        validate_positive_quantity(storage, f"{path}.resources[storage]", errors)
    for name in ("storageClassName", "volumeAttributesClassName"):
        if spec.get(name):
            check(names.subdomain_name, spec[name], f"{path}.{name}", errors)
    if spec.get("volumeMode") is not None:
        one_of(spec["volumeMode"], VOLUME_MODES, f"{path}.volumeMode", errors)
    _validate_data_sources(spec, path, errors)


def _validate_data_sources(spec: Fields, path: str, errors: Errors) -> None:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        _validate_data_source(source, f"{path}.dataSource", errors)
    if reference is None:
        return
    _validate_data_source(reference, f"{path}.dataSourceRef", errors)
    if reference.get("namespace"):
        check(names.dns1123_label, reference["namespace"], f"{path}.dataSourceRef.namespace", errors)
    if source is None:
        return
    if reference.get("namespace"):
        detail = "may not be specified when dataSourceRef.namespace is specified"
        errors.append(invalid(path, f"{path}.dataSource", detail))
    elif any(source.get(name) != reference.get(name) for name in ("apiGroup", "kind", "name")):
        errors.append(invalid(path, f"{path}.dataSource", "must match dataSourceRef"))


def _validate_data_source(source: Fields, path: str, errors: Errors) -> None:
    require(source, "name", path, errors)
    require(source, "kind", path, errors)
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid(path, kind, detail))
    if group:
        check(names.dns1123_subdomain, group, f"{path}.apiGroup", errors)


def validate_claim_template(template: Fields, path: str, errors: Errors) -> None:
    """A template of a claim: only labels and annotations in its metadata."""
    meta = template.get("metadata") or {}
    validate_annotations(meta.get("annotations") or {}, f"{path}.metadata.annotations", errors)
    validate_labels(meta.get("labels") or {}, f"{path}.metadata.labels", errors)
    for field in meta:
        if field not in ("annotations", "labels") and meta[field]:
            errors.append(forbidden(f"{path}.metadata.{field}", "cannot be set"))
    validate_claim_spec(template.get("spec") or {}, f"{path}.spec", errors)
