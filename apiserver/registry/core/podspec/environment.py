"""Checks of a container's environment: env, envFrom and everything a value can be taken from."""

from __future__ import annotations

from collections.abc import Collection

from apiserver.registry.checks import Errors, Fields, check, require, require_name
from apiserver.registry.core.podspec.paths import no_backsteps
from apiserver.registry.quantities import amount, canonical
from minikube_py.api import names
from minikube_py.api.fields import invalid, not_supported, required

ENV_FIELD_PATHS = frozenset(
    {
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
    }
)  # fmt: skip
VOLUME_FIELD_PATHS = frozenset(
    {"metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"}
)
_CONVERTIBLE = ENV_FIELD_PATHS | VOLUME_FIELD_PATHS | {"spec.restartPolicy", "spec.schedulerName", "status.phase"}
_RESOURCE_FIELDS = frozenset(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")
)
_HUGEPAGES = ("limits.hugepages-", "requests.hugepages-")
_DIVISORS = frozenset(["1", *(prefix + end for prefix in ("1k", "1M", "1G", "1T", "1P", "1E") for end in ("",)),
                       "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"])  # fmt: skip
_DIVISOR_LIST = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_env(variables: list[Fields], path: str, errors: Errors) -> None:
    """Variables with a value or the place to take it from."""
    for index, variable in enumerate(variables):
        name = variable.get("name")
        if not name:
            errors.append(required(f"{path}[{index}].name"))
        elif not name.isidentifier() or not name.isascii():
            check(names.relaxed_env_var_name, name, f"{path}[{index}].name", errors)
        source = variable.get("valueFrom")
        if source is not None:
            _validate_source(source, bool(variable.get("value")), f"{path}[{index}].valueFrom", errors)


def _validate_source(source: Fields, has_value: bool, path: str, errors: Errors) -> None:
    given = [name for name in _SOURCES if source.get(name) is not None]
    for name in given:
        _CHECKS[name](source[name], f"{path}.{name}", errors)
    if not given:
        choices = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errors.append(invalid(path, "", f"must specify one of: {choices}"))
    elif has_value:
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))


def validate_env_from(sources: list[Fields], path: str, errors: Errors) -> None:
    """Whole ConfigMaps and Secrets as variables."""
    for index, source in enumerate(sources):
        if source.get("prefix"):
            check(names.relaxed_env_var_name, source["prefix"], f"{path}[{index}].prefix", errors)
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in given:
            place = f"{path}[{index}].{name}"
            if require(source[name], "name", place, errors):
                found = names.subdomain_name(source[name]["name"], True)
                errors.extend(invalid(f"{place}.name", source[name]["name"], text) for text in found)
        if not given:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))


def validate_field_ref(reference: Fields, allowed: Collection[str], path: str, errors: Errors) -> None:
    """A field of the pod itself (downward API)."""
    if not require(reference, "apiVersion", path, errors) or not require(reference, "fieldPath", path, errors):
        return
    version, field_path = reference["apiVersion"], reference["fieldPath"]
    base, bracket, subscript = field_path.partition("['")
    if version != "v1":
        detail = f"error converting fieldPath: unsupported pod version: {version}"
        errors.append(invalid(f"{path}.fieldPath", field_path, detail))
    elif bracket and subscript.endswith("']"):
        _validate_subscript(base, field_path, subscript.removesuffix("']"), path, errors)
    elif field_path not in _CONVERTIBLE:
        detail = f"error converting fieldPath: field label not supported: {field_path}"
        errors.append(invalid(f"{path}.fieldPath", field_path, detail))
    elif field_path not in allowed:
        errors.append(not_supported(f"{path}.fieldPath", field_path, sorted(allowed)))


def _validate_subscript(base: str, field_path: str, subscript: str, path: str, errors: Errors) -> None:
    if base == "metadata.annotations":
        check(names.qualified_name, subscript.lower(), path, errors)
    elif base == "metadata.labels":
        check(names.qualified_name, subscript, path, errors)
    else:
        detail = f"error converting fieldPath: field label does not support subscript: {field_path}"
        errors.append(invalid(f"{path}.fieldPath", field_path, detail))


def validate_resource_ref(reference: Fields, path: str, errors: Errors, *, volume: bool = False) -> None:
    """A container's request or limit (downward API). In a volume the container must be named."""
    resource = reference.get("resource") or ""
    if volume and not reference.get("containerName"):
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in _RESOURCE_FIELDS and not resource.startswith(_HUGEPAGES):
        errors.append(not_supported(f"{path}.resource", resource, sorted(_RESOURCE_FIELDS)))
    _validate_divisor(resource, reference.get("divisor"), path, errors)


def _validate_divisor(resource: str, divisor: object, path: str, errors: Errors) -> None:
    if divisor is None or amount(divisor) == 0:
        return
    text, name = canonical(divisor), resource.partition(".")[2]
    if name == "cpu":
        if text not in ("1m", "1"):
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            errors.append(invalid(f"{path}.divisor", resource, detail))
    elif name and text not in _DIVISORS:
        shown = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(name, "hugepages")
        detail = f"only divisor's values {_DIVISOR_LIST} are supported with the {shown} resource"
        errors.append(invalid(f"{path}.divisor", resource, detail))


def validate_key_ref(reference: Fields, path: str, errors: Errors) -> None:
    """A key of a ConfigMap or Secret."""
    check(names.subdomain_name, reference.get("name") or "", f"{path}.name", errors)
    require_name(reference, "key", path, errors, names.config_map_key)


def _validate_file_key(reference: Fields, path: str, errors: Errors) -> None:
    require_name(reference, "key", path, errors, names.relaxed_env_var_name)
    require_name(reference, "volumeName", path, errors)
    if require(reference, "path", path, errors):
        no_backsteps(reference["path"], f"{path}.path", errors)


_CHECKS = {
    "fieldRef": lambda ref, path, errors: validate_field_ref(ref, ENV_FIELD_PATHS, path, errors),
    "resourceFieldRef": validate_resource_ref,
    "configMapKeyRef": validate_key_ref,
    "secretKeyRef": validate_key_ref,
    "fileKeyRef": _validate_file_key,
}
