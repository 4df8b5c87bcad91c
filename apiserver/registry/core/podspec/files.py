"""Checks of single files in volumes: keys of ConfigMaps and Secrets, fields of the downward API."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, file_mode, in_range, require
from apiserver.registry.core.podspec.environment import VOLUME_FIELD_PATHS, validate_field_ref, validate_resource_ref
from apiserver.registry.core.podspec.paths import local_non_reserved
from minikube_py.api.fields import invalid, required


def validate_key_to_path(item: Fields, path: str, errors: Errors) -> None:
    """One key of a ConfigMap or Secret and the file it becomes."""
    require(item, "key", path, errors)
    require(item, "path", path, errors)
    local_non_reserved(item.get("path") or "", f"{path}.path", errors)
    file_mode(item, "mode", path, errors)
    in_range(item.get("user"), 0, 2**31 - 1, f"{path}.user", errors)


def validate_downward_file(item: Fields, path: str, errors: Errors) -> None:
    """One file of a downward API volume. Upstream's path names the volume, not the item."""
    require(item, "path", path, errors)
    local_non_reserved(item.get("path") or "", f"{path}.path", errors)
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        validate_field_ref(field, VOLUME_FIELD_PATHS, f"{path}.fieldRef", errors)
        if resource is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", detail))
    elif resource is not None:
        validate_resource_ref(resource, f"{path}.resourceFieldRef", errors, volume=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    file_mode(item, "mode", path, errors)
    in_range(item.get("user"), 0, 2**31 - 1, f"{path}.user", errors)
