"""The checks of the Pod Security Standards, one function each: what a pod's spec does that a level forbids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Spec = dict[str, Any]
Check = Callable[[Spec], str]

_BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    }
)  # fmt: skip
_SAFE_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SAFE_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


def containers(spec: Spec) -> Iterator[dict[str, Any]]:
    """Every container of a pod, in upstream's order."""
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def _security(holder: dict[str, Any]) -> dict[str, Any]:
    return holder.get("securityContext") or {}


def _named(found: Iterable[dict[str, Any]]) -> str:
    names = [f'"{container["name"]}"' for container in found]
    return f"container{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""


def _host_namespaces(spec: Spec) -> str:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(found)})" if found else ""


def _privileged(spec: Spec) -> str:
    who = _named(each for each in containers(spec) if _security(each).get("privileged"))
    return f"privileged ({who} must not set securityContext.privileged=true)" if who else ""


def _capabilities(spec: Spec) -> str:
    bad = [each for each in containers(spec) if set(_added(each)) - _BASELINE_CAPABILITIES]
    if not bad:
        return ""
    names = sorted({name for each in bad for name in _added(each)} - _BASELINE_CAPABILITIES)
    listing = ", ".join(f'"{name}"' for name in names)
    return f"non-default capabilities ({_named(bad)} must not include {listing} in securityContext.capabilities.add)"


def _added(container: dict[str, Any]) -> list[str]:
    return (_security(container).get("capabilities") or {}).get("add") or []


def _host_path(spec: Spec) -> str:
    names = [f'"{volume["name"]}"' for volume in spec.get("volumes") or () if "hostPath" in volume]
    return f"hostPath volumes (volume{'s' if len(names) > 1 else ''} {', '.join(names)})" if names else ""


def _host_ports(spec: Spec) -> str:
    bad = [each for each in containers(spec) if any(port.get("hostPort") for port in each.get("ports") or ())]
    ports = sorted({str(port["hostPort"]) for each in bad for port in each["ports"] if port.get("hostPort")})
    if not bad:
        return ""
    plural = "hostPorts" if len(ports) > 1 else "hostPort"
    uses = "use" if len(bad) > 1 else "uses"
    return f"hostPort ({_named(bad)} {uses} {plural} {', '.join(ports)})"


def _proc_mount(spec: Spec) -> str:
    who = _named(each for each in containers(spec) if _security(each).get("procMount", "Default") != "Default")
    return f'procMount ({who} must not set securityContext.procMount to "Unmasked")' if who else ""


def _selinux(spec: Spec) -> str:
    options = [_security(holder).get("seLinuxOptions") or {} for holder in (spec, *containers(spec))]
    bad = any(each.get("type", "") not in _SAFE_SELINUX or each.get("user") or each.get("role") for each in options)
    return "seLinuxOptions (pod or containers set forbidden securityContext.seLinuxOptions)" if bad else ""


def _unconfined(spec: Spec) -> str:
    def is_unconfined(holder: dict[str, Any]) -> bool:
        return (_security(holder).get("seccompProfile") or {}).get("type") == "Unconfined"

    who = "pod" if is_unconfined(spec) else _named(each for each in containers(spec) if is_unconfined(each))
    return f'seccompProfile ({who} must not set securityContext.seccompProfile.type to "Unconfined")' if who else ""


def _sysctls(spec: Spec) -> str:
    names = [each["name"] for each in _security(spec).get("sysctls") or () if each["name"] not in _SAFE_SYSCTLS]
    return f"forbidden sysctls ({', '.join(names)})" if names else ""


def _volume_types(spec: Spec) -> str:
    bad = [volume for volume in spec.get("volumes") or () if not _SAFE_VOLUMES & set(volume)]
    if not bad:
        return ""
    names = ", ".join(f'"{volume["name"]}"' for volume in bad)
    types = sorted({key for volume in bad for key in volume if key != "name"})
    word, use = ("volumes", "use") if len(bad) > 1 else ("volume", "uses")
    listing = ", ".join(f'"{name}"' for name in types)
    return f"restricted volume types ({word} {names} {use} restricted volume type {listing})"


def _escalation(spec: Spec) -> str:
    who = _named(each for each in containers(spec) if _security(each).get("allowPrivilegeEscalation") is not False)
    text = f"allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
    return text if who else ""


def _all_dropped(spec: Spec) -> str:
    def dropped(container: dict[str, Any]) -> list[str]:
        return (_security(container).get("capabilities") or {}).get("drop") or []

    keep = _named(each for each in containers(spec) if "ALL" not in dropped(each))
    extra = _named(each for each in containers(spec) if set(_added(each)) - {"NET_BIND_SERVICE"})
    parts = [f'{keep} must set securityContext.capabilities.drop=["ALL"]'] if keep else []
    parts += [f"{extra} must not add capabilities other than NET_BIND_SERVICE"] if extra else []
    return f"unrestricted capabilities ({'; '.join(parts)})" if parts else ""


def _not_root(spec: Spec) -> str:
    if _security(spec).get("runAsNonRoot") is True:
        who = _named(each for each in containers(spec) if _security(each).get("runAsNonRoot") is False)
        return f"runAsNonRoot != true ({who} must not set securityContext.runAsNonRoot=false)" if who else ""
    who = _named(each for each in containers(spec) if _security(each).get("runAsNonRoot") is not True)
    return f"runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)" if who else ""


def _not_user_zero(spec: Spec) -> str:
    if _security(spec).get("runAsUser") == 0:
        return "runAsUser=0 (pod must not set runAsUser=0)"
    who = _named(each for each in containers(spec) if _security(each).get("runAsUser") == 0)
    return f"runAsUser=0 ({who} must not set runAsUser=0)" if who else ""


def _seccomp(spec: Spec) -> str:
    def profile(holder: dict[str, Any]) -> str:
        return str((_security(holder).get("seccompProfile") or {}).get("type") or "")

    safe = ("RuntimeDefault", "Localhost")
    whole = profile(spec) in safe
    who = _named(each for each in containers(spec) if profile(each) not in safe and (profile(each) or not whole))
    rule = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {who} {rule})" if who else ""


_BASELINE: tuple[Check, ...] = (
    _capabilities, _host_namespaces, _host_path, _host_ports, _privileged, _proc_mount, _selinux, _unconfined, _sysctls,
)  # fmt: skip
#: Restricted replaces the checks of baseline that it tightens.
_RESTRICTED: tuple[Check, ...] = (
    _host_namespaces, _host_path, _host_ports, _privileged, _proc_mount, _selinux, _sysctls, _escalation,
    _all_dropped, _volume_types, _not_root, _not_user_zero, _seccomp,
)  # fmt: skip


def violations(level: str, spec: Spec) -> list[str]:
    """Everything in a pod's spec that the level forbids, in words."""
    checks = {"baseline": _BASELINE, "restricted": _RESTRICTED}.get(level, ())
    return [text for check in checks if (text := check(spec))]
