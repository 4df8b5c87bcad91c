"""What a PersistentVolume stands for: exactly one kind of storage."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.registry.checks import Errors, Fields, require, require_name
from apiserver.registry.core.podspec.legacyvolumes import LEGACY_SOURCES, SourceCheck
from apiserver.registry.core.podspec.paths import no_backsteps
from apiserver.registry.core.podspec.sources import validate_csi_driver_name
from apiserver.registry.core.podspec.volumes import host_path_source, nfs_source
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required

_ONE_TYPE = "may not specify more than 1 volume type"
_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
_ODD_NAMES = {"cephfs": "cephFS"}
_LONGEST_ISCSI = 64
_ISCSI_NAME = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)


def _azure_file(source: Fields, path: str, errors: Errors) -> None:
    LEGACY_SOURCES["azureFile"](source, path, errors)
    if source.get("secretNamespace") == "":
        errors.append(required(f"{path}.secretNamespace"))


def _local(source: Fields, path: str, errors: Errors) -> None:
    if require(source, "path", path, errors):
        no_backsteps(source["path"], f"{path}.path", errors)


def _csi(source: Fields, path: str, errors: Errors) -> None:
    validate_csi_driver_name(source.get("driver") or "", f"{path}.driver", errors)
    require(source, "volumeHandle", path, errors)
    for name in _SECRETS:
        secret = source.get(name)
        if secret is not None:
            require_name(secret, "name", f"{path}.{name}", errors, names.dns1123_subdomain)
            require_name(secret, "namespace", f"{path}.{name}", errors)


def _legacy(*kinds: str) -> dict[str, SourceCheck]:
    return {kind: LEGACY_SOURCES[kind] for kind in kinds}


#: Every kind of storage and its checks, in the order they are looked at.
PERSISTENT_SOURCES: Mapping[str, SourceCheck] = {
    "hostPath": host_path_source,
    **_legacy("gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker"),
    "nfs": nfs_source,
    **_legacy("rbd", "quobyte", "cephfs", "iscsi", "cinder", "fc", "flexVolume"),
    "azureFile": _azure_file,
    **_legacy("vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO"),
    "local": _local,
    **_legacy("storageos"),
    "csi": _csi,
}


def validate_persistent_source(spec: Fields, volume_name: str, path: str, errors: Errors) -> str:
    """Checks the one source in a PersistentVolume's spec; returns its kind, "" where there is none."""
    given = [kind for kind in PERSISTENT_SOURCES if spec.get(kind) is not None]
    if not given:
        errors.append(required(path, "must specify a volume type"))
        return ""
    kind = given[0]
    PERSISTENT_SOURCES[kind](spec[kind], f"{path}.{kind}", errors)
    if kind == "iscsi" and spec["iscsi"].get("initiatorName") is not None:
        portal = f"{volume_name}:{spec['iscsi'].get('targetPortal') or ''}"
        if len(portal) > _LONGEST_ISCSI:
            errors.append(invalid(f"{path}.iscsi.targetportal", spec["iscsi"].get("targetPortal"), _ISCSI_NAME))
    if kind == "local" and spec.get("nodeAffinity") is None:
        errors.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    errors.extend(forbidden(f"{path}.{_ODD_NAMES.get(other, other)}", _ONE_TYPE) for other in given[1:])
    return kind
