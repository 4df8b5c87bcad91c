"""Checks of volumeMounts and volumeDevices against the pod's volumes."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, one_of
from apiserver.registry.core.podspec.options import PodFacts
from apiserver.registry.core.podspec.paths import local_descending
from minikube_py.api.fields import duplicate, forbidden, invalid, not_found, not_supported, required

_PROPAGATIONS = frozenset({"Bidirectional", "HostToContainer", "None"})
_READ_ONLY = frozenset({"Disabled", "Enabled", "IfPossible"})
_BIND_OPTIONS = frozenset({"noexec", "nodev", "nosuid"})


def validate_mounts(mounts: list[Fields], container: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    """Mounts name a volume and have a path of their own."""
    devices = {device.get("name"): device.get("devicePath") for device in container.get("volumeDevices") or ()}
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        place, name, target = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            errors.append(required(f"{place}.name"))
        if name not in facts.volumes:
            errors.append(not_found(f"{place}.name", name))
        if not target:
            errors.append(required(f"{place}.mountPath"))
        if target in taken:
            errors.append(invalid(f"{place}.mountPath", target, "must be unique"))
        taken.add(target)
        if devices:
            _not_a_device(name, target, devices, place, errors)
        _validate_sub_paths(mount, path, place, errors)
        _validate_sharing(mount, container, path, errors)
        if options := mount.get("bindMountOptions"):
            _validate_bind_options(options, facts.volumes.get(name), f"{place}.bindMountOptions", errors)


def _not_a_device(name: str, target: str, devices: dict[str | None, str | None], path: str, errors: Errors) -> None:
    if name in devices:
        errors.append(invalid(f"{path}.name", name, "must not already exist in volumeDevices"))
    if target in devices.values():
        detail = "must not already exist as a path in volumeDevices"
        errors.append(invalid(f"{path}.mountPath", target, detail))


def _validate_sub_paths(mount: Fields, path: str, place: str, errors: Errors) -> None:
    if mount.get("subPath"):
        local_descending(mount["subPath"], f"{path}.subPath", errors)
    expression = mount.get("subPathExpr")
    if expression:
        if mount.get("subPath"):
            detail = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(f"{place}.subPathExpr", expression, detail))
        local_descending(expression, f"{path}.subPathExpr", errors)


def _validate_sharing(mount: Fields, container: Fields, path: str, errors: Errors) -> None:
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        one_of(propagation, _PROPAGATIONS, f"{path}.mountPropagation", errors)
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            detail = "Bidirectional mount propagation is available only to privileged containers"
            errors.append(forbidden(f"{path}.mountPropagation", detail))
    recursive = mount.get("recursiveReadOnly")
    if recursive is None or recursive == "Disabled":
        return
    if recursive not in _READ_ONLY:
        errors.append(not_supported(f"{path}.recursiveReadOnly", recursive, sorted(_READ_ONLY)))
        return
    if not mount.get("readOnly"):
        errors.append(forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true"))
    if propagation not in (None, "None"):
        detail = "may only be specified when mountPropagation is None or not specified"
        errors.append(forbidden(f"{path}.recursiveReadOnly", detail))


def _validate_bind_options(options: list[str], volume: Fields | None, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, option in enumerate(options):
        one_of(option, _BIND_OPTIONS, f"{path}[{index}]", errors)
        if option in seen:
            errors.append(duplicate(f"{path}[{index}]", option))
        seen.add(option)
    if volume is not None and volume.get("image") is not None:
        errors.append(invalid(path, options, "bindMountOptions may not be used with image volumes"))


def validate_devices(devices: list[Fields], container: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    """Raw block devices: from a claim only, each once."""
    mounts = {mount.get("name"): mount.get("mountPath") for mount in container.get("volumeMounts") or ()}
    named: set[str] = set()
    placed: set[str] = set()
    for index, device in enumerate(devices):
        place, name, target = f"{path}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        _validate_device_name(name, named, facts.volumes.get(name), f"{place}.name", errors)
        _validate_device_path(target, placed, f"{place}.devicePath", errors)
        if name in mounts:
            errors.append(invalid(f"{place}.name", name, "must not already exist in volumeMounts"))
        if target in mounts.values():
            detail = "must not already exist as a path in volumeMounts"
            errors.append(invalid(f"{place}.devicePath", target, detail))


def _validate_device_name(name: str, named: set[str], volume: Fields | None, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
    if name in named:
        errors.append(invalid(path, name, "must be unique"))
    if volume is None:
        errors.append(not_found(path, name))
    elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
        detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        errors.append(invalid(path, name, detail))
    if name:
        named.add(name)


def _validate_device_path(target: str, placed: set[str], path: str, errors: Errors) -> None:
    if not target:
        errors.append(required(path))
    if target in placed:
        errors.append(invalid(path, target, "must be unique"))
    if ".." in target.split("/"):
        errors.append(invalid(path, target, "can not contain backsteps ('..')"))
    else:
        placed.add(target)
