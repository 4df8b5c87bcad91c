"""Checks of security contexts: the pod's, a container's, and their seccomp, AppArmor and Windows parts."""

from __future__ import annotations

import re

from apiserver.registry.checks import Errors, Fields, check, one_of
from apiserver.registry.core.podspec.options import PodFacts
from apiserver.registry.core.podspec.paths import local_descending
from apiserver.registry.core.podspec.windows import validate_windows_options
from minikube_py.api import names
from minikube_py.api.fields import (
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)

_PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_sysctl_match = re.compile(_SYSCTL).fullmatch
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_LONGEST_PROFILE = 4095
_APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def _ids(fields: Fields, keys: tuple[str, ...], path: str, errors: Errors) -> None:
    for key in keys:
        value = fields.get(key)
        if value is not None:
            errors.extend(invalid(f"{path}.{key}", value, text) for text in names.user_or_group_id(value))


def validate_security_context(context: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    """A container's security context."""
    if not context:
        return
    _ids(context, ("runAsUser", "runAsGroup"), path, errors)
    mount = context.get("procMount")
    if mount is not None:
        one_of(mount, ("Default", "Unmasked"), f"{path}.procMount", errors)
        if mount == "Unmasked" and facts.host_users:
            errors.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    _validate_seccomp(context.get("seccompProfile"), f"{path}.seccompProfile", errors)
    if context.get("allowPrivilegeEscalation") is False:
        _validate_no_escalation(context, path, errors)
    if (windows := context.get("windowsOptions")) is not None:
        validate_windows_options(windows, f"{path}.windowsOptions", errors)
    _validate_apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile", errors)


def _validate_no_escalation(context: Fields, path: str, errors: Errors) -> None:
    if context.get("privileged"):
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(invalid(path, context, detail))
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
        detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        errors.append(invalid(path, context, detail))


def validate_pod_security_context(spec: Fields, path: str, errors: Errors) -> None:
    """The pod's own security context."""
    context = spec.get("securityContext")
    if not context:
        return
    _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), path, errors)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        place = f"{path}.supplementalGroups[{index}]"
        errors.extend(invalid(place, group, text) for text in names.user_or_group_id(group))
    _validate_sysctls(context.get("sysctls") or (), spec, f"{path}.sysctls", errors)
    for key, choices in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("MountOption", "Recursive")),
    ):
        if context.get(key) is not None:
            one_of(context[key], choices, f"{path}.{key}", errors)
    _validate_seccomp(context.get("seccompProfile"), f"{path}.seccompProfile", errors)
    if (windows := context.get("windowsOptions")) is not None:
        validate_windows_options(windows, f"{path}.windowsOptions", errors)
    _validate_apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile", errors)


def _validate_sysctls(sysctls: list[Fields] | tuple[Fields, ...], spec: Fields, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name, place = sysctl.get("name") or "", f"{path}[{index}].name"
        if not name:
            errors.append(required(place))
        elif len(name) > 253 or not _sysctl_match(name):
            errors.append(invalid(place, name, f"must have at most 253 characters and match regex ^{_SYSCTL}$"))
        elif name in seen:
            errors.append(duplicate(place, name))
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            errors.append(invalid(place, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and dotted.startswith(_IPC_SYSCTLS):
            errors.append(invalid(place, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)


def _validate_seccomp(profile: Fields | None, path: str, errors: Errors) -> None:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in _PROFILE_TYPES:
        errors.append(not_supported(f"{path}.type", kind, _PROFILE_TYPES))
    if kind == "Localhost":
        if local is None:
            errors.append(required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
        else:
            local_descending(local, f"{path}.localhostProfile", errors)
    elif local is not None:
        errors.append(invalid(f"{path}.localhostProfile", profile, "can only be set when seccomp type is Localhost"))


def _validate_apparmor(profile: Fields | None, path: str, errors: Errors) -> None:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if kind == "Localhost":
        _validate_apparmor_name(local, f"{path}.localhostProfile", errors)
    elif kind in _PROFILE_TYPES:
        if local is not None:
            detail = "can only be set when AppArmor type is Localhost"
            errors.append(invalid(f"{path}.localhostProfile", local, detail))
    elif not kind:
        errors.append(required(f"{path}.type", "type is required when appArmorProfile is set"))
    else:
        errors.append(not_supported(f"{path}.type", kind, _PROFILE_TYPES))


def _validate_apparmor_name(name: str | None, path: str, errors: Errors) -> None:
    if name is None or not name:
        errors.append(required(path, "must be set when AppArmor type is Localhost"))
        return
    if name != name.strip():
        errors.append(invalid(path, name, "must not be padded with whitespace"))
    if len(name) > _LONGEST_PROFILE:
        errors.append(too_long(path, _LONGEST_PROFILE))


def validate_profile_annotations(annotations: dict[str, str], spec: Fields, path: str, errors: Errors) -> None:
    """The annotations that seccomp and AppArmor profiles had before they had fields."""
    for key, value in annotations.items():
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            _validate_seccomp_name(value, f"{path}.{key}", errors)
        elif key.startswith(_APPARMOR_PREFIX):
            container = key.removeprefix(_APPARMOR_PREFIX)
            if not any(container == c.get("name") for _, c in containers_with_path(spec, "spec")):
                errors.append(invalid(f"{path}[{key}]", container, "container not found"))
            if value not in ("", "runtime/default", "unconfined") and not value.startswith("localhost/"):
                errors.append(invalid(f"{path}[{key}]", value, f'invalid AppArmor profile name: "{value}"'))


def _validate_seccomp_name(name: str, path: str, errors: Errors) -> None:
    if name in ("runtime/default", "docker/default", "unconfined"):
        return
    if name.startswith("localhost/"):
        local_descending(name.removeprefix("localhost/"), path, errors)
    else:
        errors.append(invalid(path, name, "must be a valid seccomp profile"))


def validate_profiles_match(annotations: dict[str, str], spec: Fields, path: str, errors: Errors) -> None:
    """Where a profile has both an annotation and a field, they agree."""
    if not any("seccomp" in key or "apparmor" in key for key in annotations):
        return
    pod = spec.get("securityContext") or {}
    _match_seccomp(annotations.get(_SECCOMP_POD), pod.get("seccompProfile"), f"{path}.securityContext", errors)
    for place, container in containers_with_path(spec, path):
        own = container.get("securityContext") or {}
        name, place = container.get("name") or "", f"{place}.securityContext"
        _match_seccomp(annotations.get(_SECCOMP_CONTAINER + name), own.get("seccompProfile"), place, errors)
        if (spec.get("os") or {}).get("name") != "windows":
            profile = own.get("appArmorProfile") or pod.get("appArmorProfile")
            _match_apparmor(annotations.get(_APPARMOR_PREFIX + name), profile, place, errors)


def _match_seccomp(annotation: str | None, profile: Fields | None, path: str, errors: Errors) -> None:
    _match(annotation, profile, "seccomp", f"{path}.seccompProfile", errors)


def _match_apparmor(annotation: str | None, profile: Fields | None, path: str, errors: Errors) -> None:
    _match(annotation, profile, "apparmor", f"{path}.appArmorProfile", errors)


def _match(annotation: str | None, profile: Fields | None, what: str, path: str, errors: Errors) -> None:
    if annotation is None or profile is None:
        return
    kind = profile.get("type")
    expected = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}.get(kind or "")
    if expected is not None and annotation not in expected:
        errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
    if kind == "Localhost":
        if not annotation.startswith("localhost/"):
            errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
        elif annotation.removeprefix("localhost/") != profile.get("localhostProfile"):
            detail = f"{what} profile in annotation and field must match"
            errors.append(forbidden(f"{path}.localhostProfile", detail))


def containers_with_path(spec: Fields, path: str) -> list[tuple[str, Fields]]:
    """Every container of a spec with its field path, in upstream's order: init, regular, ephemeral."""
    return [
        (f"{path}.{kind}[{index}]", container)
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for index, container in enumerate(spec.get(kind) or ())
    ]


def check_account_name(name: str, path: str, errors: Errors) -> None:
    """A ServiceAccount's name."""
    check(names.subdomain_name, name, path, errors)
