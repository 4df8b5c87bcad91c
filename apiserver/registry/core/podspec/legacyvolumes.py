"""Checks of volume sources of particular storage systems, shared by pods and PersistentVolumes.

minik mounts none of them, but manifests that name them are judged as everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from apiserver.registry.checks import Errors, Fields, check, in_range, one_of, require
from apiserver.registry.core.podspec.paths import local_descending
from minikube_py.api import names
from minikube_py.api.fields import invalid, not_supported, required

SourceCheck = Callable[[Fields, str, Errors], None]

_iqn = re.compile(r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9-.]+)(:[^,;*&$|\s]+)$")
_eui = re.compile(r"^eui.[a-zA-Z0-9]{16}$")
_naa = re.compile(r"^naa.[a-zA-Z0-9]{32}$")
_HOST_PORTS = "must be a host:port pair or multiple pairs separated by commas"
_MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def _needs(*fields: str) -> SourceCheck:
    def validate(source: Fields, path: str, errors: Errors) -> None:
        for field in fields:
            require(source, field, path, errors)

    return validate


def _partition(source: Fields, path: str, errors: Errors) -> None:
    partition = source.get("partition") or 0
    if not 0 <= partition <= 255:
        errors.append(invalid(f"{path}.partition", partition, names.range_message(1, 255)))


def _git_repo(source: Fields, path: str, errors: Errors) -> None:
    require(source, "repository", path, errors)
    local_descending(source.get("directory") or "", f"{path}.directory", errors)


def _gce_disk(source: Fields, path: str, errors: Errors) -> None:
    place = path.replace("gcePersistentDisk", "persistentDisk")
    require(source, "pdName", place, errors)
    _partition(source, place, errors)


def _aws_disk(source: Fields, path: str, errors: Errors) -> None:
    require(source, "volumeID", path, errors)
    _partition(source, path, errors)


def _iscsi(source: Fields, path: str, errors: Errors) -> None:
    require(source, "targetPortal", path, errors)
    if require(source, "iqn", path, errors):
        _initiator(source["iqn"], f"{path}.iqn", errors)
    in_range(source.get("lun") or 0, 0, 255, f"{path}.lun", errors)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        errors.append(required(f"{path}.secretRef"))
    if source.get("initiatorName") is not None:
        _initiator(source["initiatorName"], f"{path}.initiatorname", errors)


def _initiator(name: str, path: str, errors: Errors) -> None:
    pattern = {"iqn": _iqn, "eui": _eui, "naa": _naa}.get(name[:3])
    if pattern is None:
        errors.append(invalid(path, name, "must be valid format starting with iqn, eui, or naa"))
    elif not pattern.search(name):
        errors.append(invalid(path, name, "must be valid format"))


def _flocker(source: Fields, path: str, errors: Errors) -> None:
    name, uid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uid:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uid:
        detail = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(invalid(path, "resource", detail))
    if "/" in name:
        errors.append(invalid(f"{path}.datasetName", name, "must not contain '/'"))


def _cinder(source: Fields, path: str, errors: Errors) -> None:
    require(source, "volumeID", path, errors)
    _secret_name(source, path, errors)


def _secret_name(source: Fields, path: str, errors: Errors) -> None:
    secret = source.get("secretRef")
    if secret is not None and not secret.get("name"):
        errors.append(required(f"{path}.secretRef.name"))


def _quobyte(source: Fields, path: str, errors: Errors) -> None:
    registry = source.get("registry") or ""
    if not registry:
        errors.append(required(f"{path}.registry", _HOST_PORTS))
    elif len(source.get("tenant") or "") >= 65:
        detail = "must be a UUID and may not exceed a length of 64 characters"
        errors.append(required(f"{path}.tenant", detail))
    else:
        bad = [pair for pair in registry.split(",") if ":" not in pair]
        errors.extend(invalid(f"{path}.registry", registry, _HOST_PORTS) for _ in bad)
    require(source, "volume", path, errors)


def _fc(source: Fields, path: str, errors: Errors) -> None:
    targets, wwids = source.get("targetWWNs") or [], source.get("wwids") or []
    if not targets and not wwids:
        detail = "must specify either targetWWNs or wwids, but not both"
        errors.append(required(f"{path}.targetWWNs", detail))
    if targets and wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(invalid(f"{path}.targetWWNs", targets, detail))
    if targets:
        if source.get("lun") is None:
            errors.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        in_range(source.get("lun"), 0, 255, f"{path}.lun", errors)


def _flex(source: Fields, path: str, errors: Errors) -> None:
    require(source, "driver", path, errors)
    for key in source.get("options") or {}:
        owner = "." + key.partition("/")[0].lower()
        if owner.endswith((".kubernetes.io", ".k8s.io")):
            detail = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(invalid(f"{path}.options[{key}]", key, detail))


def _azure_disk(source: Fields, path: str, errors: Errors) -> None:
    require(source, "diskName", path, errors)
    require(source, "diskURI", path, errors)
    uri, kind = source.get("diskURI") or "", source.get("kind")
    if source.get("cachingMode") is not None:
        one_of(source["cachingMode"], ("None", "ReadOnly", "ReadWrite"), f"{path}.cachingMode", errors)
    if kind is None:
        return
    one_of(kind, ("Dedicated", "Managed", "Shared"), f"{path}.kind", errors)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        errors.append(not_supported(f"{path}.diskURI", uri, (_MANAGED_DISK,)))
    if kind != "Managed" and not uri.startswith("https://"):
        errors.append(not_supported(f"{path}.diskURI", uri, (_BLOB_DISK,)))


def _storageos(source: Fields, path: str, errors: Errors) -> None:
    if require(source, "volumeName", path, errors):
        check(names.dns1123_label, source["volumeName"], f"{path}.volumeName", errors)
    if source.get("volumeNamespace"):
        check(names.dns1123_label, source["volumeNamespace"], f"{path}.volumeNamespace", errors)
    _secret_name(source, path, errors)


LEGACY_SOURCES: dict[str, SourceCheck] = {
    "gitRepo": _git_repo,
    "gcePersistentDisk": _gce_disk,
    "awsElasticBlockStore": _aws_disk,
    "iscsi": _iscsi,
    "glusterfs": _needs("endpoints", "path"),
    "flocker": _flocker,
    "rbd": _needs("monitors", "image"),
    "cinder": _cinder,
    "cephfs": _needs("monitors"),
    "quobyte": _quobyte,
    "fc": _fc,
    "flexVolume": _flex,
    "azureFile": _needs("secretName", "shareName"),
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _azure_disk,
    "storageos": _storageos,
    "scaleIO": _needs("gateway", "system", "volumeName"),
}
