"""Checks of a pod's volumes: one source each, and what each source needs."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.registry.checks import Errors, Fields, check, file_mode, in_range, one_of, require
from apiserver.registry.core.podspec.files import validate_downward_file, validate_key_to_path
from apiserver.registry.core.podspec.legacyvolumes import LEGACY_SOURCES
from apiserver.registry.core.podspec.options import PodFacts
from apiserver.registry.core.podspec.paths import no_backsteps
from apiserver.registry.core.podspec.projected import validate_projected
from apiserver.registry.core.podspec.sources import validate_claim_template, validate_csi_driver_name
from apiserver.registry.quantities import amount
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, required

_HOST_PATH_TYPES = frozenset(
    {"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"}
)
_ONE_TYPE = "may not specify more than 1 volume type"
#: Where upstream's path of the "more than 1" error is not the field's name.
_ODD_NAMES = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}

SourceCheck = Callable[[Fields, str, Errors], None]


def validate_volumes(volumes: list[Fields], facts: PodFacts, path: str, errors: Errors) -> None:
    """Checks all volumes; the good ones are entered in ``facts.volumes`` for the mounts to find."""
    pod_name = (facts.metadata or {}).get("name")
    claims = {f"{pod_name}-{volume.get('name')}" for volume in volumes if volume.get("ephemeral") is not None}
    for index, volume in enumerate(volumes):
        place, name, before = f"{path}[{index}]", volume.get("name") or "", len(errors)
        _validate_source(volume, pod_name, place, errors)
        if not name:
            errors.append(required(f"{place}.name"))
        else:
            check(names.dns1123_label, name, f"{place}.name", errors)
        if name in facts.volumes:
            errors.append(duplicate(f"{place}.name", name))
        if len(errors) == before:
            facts.volumes[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if pod_name and claim in claims:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid(f"{place}.persistentVolumeClaim.claimName", claim, detail))


def _validate_source(volume: Fields, pod_name: str | None, path: str, errors: Errors) -> None:
    given = [kind for kind in _SOURCES if volume.get(kind) is not None]
    if not given:
        errors.append(required(path, "must specify a volume type"))
        return
    for kind in given[1:]:
        errors.append(forbidden(f"{path}.{_ODD_NAMES.get(kind, kind)}", _ONE_TYPE))
    kind = given[0]
    _SOURCES[kind](volume[kind], f"{path}.{kind}", errors)
    name = volume.get("name")
    if kind == "ephemeral" and pod_name and name:
        claim = f"{pod_name}-{name}"
        errors.extend(
            invalid(f"{path}.name", name, f'PVC name "{claim}": {text}') for text in names.subdomain_name(claim)
        )
    iscsi = volume.get("iscsi")
    if iscsi and iscsi.get("initiatorName") is not None and len(f"{name}:{iscsi.get('targetPortal', '')}") > 64:
        detail = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
            "if iscsi.initiatorName is specified."
        )
        errors.append(invalid(f"{path}.name", name or "", detail))


def _empty_dir(source: Fields, path: str, errors: Errors) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and amount(limit) < 0:
        errors.append(forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity"))
    mode = source.get("mode")
    if mode is not None and not 0 <= mode <= 0o1777:
        detail = "must be a number between 0 and 01777 (octal), both inclusive"
        errors.append(invalid(f"{path}.mode", mode, detail))


def host_path_source(source: Fields, path: str, errors: Errors) -> None:
    """A path on the node."""
    if not require(source, "path", path, errors):
        return
    no_backsteps(source["path"], f"{path}.path", errors)
    if source.get("type") is not None:
        one_of(source["type"], _HOST_PATH_TYPES, f"{path}.type", errors)


def _keyed(name_field: str) -> SourceCheck:
    def validate(source: Fields, path: str, errors: Errors) -> None:
        require(source, name_field, path, errors)
        file_mode(source, "defaultMode", path, errors)
        in_range(source.get("defaultUser"), 0, 2**31 - 1, f"{path}.defaultUser", errors)
        for index, item in enumerate(source.get("items") or ()):
            validate_key_to_path(item, f"{path}.items[{index}]", errors)

    return validate


def _claim(source: Fields, path: str, errors: Errors) -> None:
    require(source, "claimName", path, errors)


def nfs_source(source: Fields, path: str, errors: Errors) -> None:
    """An NFS export."""
    require(source, "server", path, errors)
    require(source, "path", path, errors)
    target = source.get("path") or ""
    if not target.startswith("/"):
        errors.append(invalid(f"{path}.path", target, "must be an absolute path"))


def _downward_api(source: Fields, path: str, errors: Errors) -> None:
    file_mode(source, "defaultMode", path, errors)
    in_range(source.get("defaultUser"), 0, 2**31 - 1, f"{path}.defaultUser", errors)
    for item in source.get("items") or ():
        validate_downward_file(item, path, errors)


def _projected(source: Fields, path: str, errors: Errors) -> None:
    file_mode(source, "defaultMode", path, errors)
    in_range(source.get("defaultUser"), 0, 2**31 - 1, f"{path}.defaultUser", errors)
    validate_projected(source, path, errors)


def _csi(source: Fields, path: str, errors: Errors) -> None:
    validate_csi_driver_name(source.get("driver") or "", f"{path}.driver", errors)
    secret = source.get("nodePublishSecretRef")
    if secret is not None:
        if not secret.get("name"):
            errors.append(required(f"{path}.nodePublishSecretRef.name"))
        else:
            check(names.subdomain_name, secret["name"], f"{path}.name", errors)


def _ephemeral(source: Fields, path: str, errors: Errors) -> None:
    template = source.get("volumeClaimTemplate")
    if template is None:
        errors.append(required(f"{path}.volumeClaimTemplate"))
    else:
        validate_claim_template(template, f"{path}.volumeClaimTemplate", errors)


def _image(source: Fields, path: str, errors: Errors) -> None:
    require(source, "reference", path, errors)
    one_of(source.get("pullPolicy") or "", ("Always", "IfNotPresent", "Never"), f"{path}.pullPolicy", errors)


#: In upstream's order, which decides who is "more than 1".
_SOURCES: dict[str, SourceCheck] = {
    "emptyDir": _empty_dir,
    "hostPath": host_path_source,
    **{kind: LEGACY_SOURCES[kind] for kind in ("gitRepo", "gcePersistentDisk", "awsElasticBlockStore")},
    "secret": _keyed("secretName"),
    "nfs": nfs_source,
    **{kind: LEGACY_SOURCES[kind] for kind in ("iscsi", "glusterfs", "flocker")},
    "persistentVolumeClaim": _claim,
    **{kind: LEGACY_SOURCES[kind] for kind in ("rbd", "cinder", "cephfs", "quobyte")},
    "downwardAPI": _downward_api,
    **{kind: LEGACY_SOURCES[kind] for kind in ("fc", "flexVolume")},
    "configMap": _keyed("name"),
    **{
        kind: LEGACY_SOURCES[kind]
        for kind in ("azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos")
    },
    "projected": _projected,
    "scaleIO": LEGACY_SOURCES["scaleIO"],
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
