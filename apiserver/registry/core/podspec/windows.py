"""Checks that tell pods for Linux from pods for Windows. minik runs only the former; the API knows both."""

from __future__ import annotations

import re
from typing import Any

from apiserver.registry.checks import Errors, Fields
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}')
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_BAD_USER = re.compile(r'["/\\:;|=,\+\*\?<>@\[\]]')
_DOTS = re.compile(r"[\. ]+")
_LONGEST_SPEC_KIB = 64
_POD_ONLY_LINUX = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_CONTAINER_ONLY_LINUX = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_NOT_WINDOWS = "cannot be set for a windows pod"
_NOT_LINUX = "windows options cannot be set for a linux pod"


def validate_windows_options(options: Fields, path: str, errors: Errors) -> None:
    """securityContext.windowsOptions."""
    spec_name, spec = options.get("gmsaCredentialSpecName"), options.get("gmsaCredentialSpec")
    if spec_name is not None:
        place = f"{path}.gmsaCredentialSpecName"
        errors.extend(invalid(place, spec_name, text) for text in names.dns1123_subdomain(spec_name))
    if spec is not None:
        if not spec:
            detail = "gmsaCredentialSpec cannot be an empty string"
            errors.append(invalid(f"{path}.gmsaCredentialSpec", spec, detail))
        elif len(spec) > _LONGEST_SPEC_KIB * 1024:
            detail = f"gmsaCredentialSpec size must be under {_LONGEST_SPEC_KIB} KiB"
            errors.append(invalid(f"{path}.gmsaCredentialSpec", spec, detail))
    user = options.get("runAsUserName")
    if user is not None:
        place = f"{path}.runAsUserName"
        errors.extend(invalid(place, user, f"runAsUserName{text}") for text in _user_problems(user))


def _user_problems(name: str) -> list[str]:
    if not name:
        return [" cannot be an empty string"]
    if _CONTROL.search(name):
        return [" cannot contain control characters"]
    parts = name.split("\\")
    if len(parts) > 2:
        return [" cannot contain more than one backslash"]
    user, problems = parts[-1], []
    if len(parts) == 2:
        if len(parts[0]) >= 256:
            problems.append("'s Domain length must be under 256 characters")
        if not _NETBIOS.fullmatch(parts[0]) and not _DNS.fullmatch(parts[0]):
            problems.append("'s Domain doesn't match the NetBios nor the DNS format")
    if not user:
        problems.append("'s User cannot be empty")
    elif len(user) > 104:
        problems.append("'s User length must not be longer than 104 characters")
    if _DOTS.fullmatch(user):
        problems.append("'s User cannot contain only periods or spaces")
    if _BAD_USER.search(user):
        problems.append("""'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]""")
    return problems


def validate_operating_system(
    spec: Fields, containers: list[tuple[str, Fields]], path: str, name: str, errors: Errors
) -> None:
    """Fields that the named operating system does not know."""
    context = spec.get("securityContext") or {}
    if name == "linux":
        places: list[tuple[str, Any]] = [(f"{path}.securityContext", context)]
        places += [(f"{place}.securityContext", c.get("securityContext") or {}) for place, c in containers]
        errors.extend(
            forbidden(f"{place}.windowsOptions", _NOT_LINUX)
            for place, own in places
            if own.get("windowsOptions") is not None
        )
        return
    for key in _POD_ONLY_LINUX:
        if context.get(key) not in (None, []):
            errors.append(forbidden(f"{path}.securityContext.{key}", _NOT_WINDOWS))
    for key in ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(key) not in (None, False) or (key == "hostUsers" and spec.get(key) is not None):
            errors.append(forbidden(f"{path}.{key}", _NOT_WINDOWS))
    for place, container in containers:
        own = container.get("securityContext") or {}
        for key in _CONTAINER_ONLY_LINUX:
            if own.get(key) is not None:
                errors.append(forbidden(f"{place}.securityContext.{key}", _NOT_WINDOWS))


def validate_host_process(spec: Fields, containers: list[tuple[str, Fields]], path: str, errors: Errors) -> None:
    """hostProcess: all containers or none, with the host's network."""
    pod = _host_process(spec)
    count = 0
    for place, container in containers:
        own = _host_process(container)
        if pod is not None and own is not None and pod != own:
            shown = "true" if pod else "false"
            detail = f"pod hostProcess value must be identical if both are specified, was {shown}"
            errors.append(invalid(f"{place}.securityContext.windowsOptions.hostProcess", own, detail))
        count += bool(pod if own is None else own)
    if not count:
        return
    if count != len(containers):
        detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        errors.append(invalid(path, "", detail))
    if not spec.get("hostNetwork"):
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(invalid(f"{path}.hostNetwork", False, detail))


def _host_process(holder: Fields) -> bool | None:
    options = (holder.get("securityContext") or {}).get("windowsOptions") or {}
    value = options.get("hostProcess")
    return None if value is None else bool(value)
