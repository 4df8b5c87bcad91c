"""Between the Runtime protocol and the Engine API: pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agent.runtime.docker import labels
from agent.runtime.protocol import (
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ImageInfo,
    Mount,
    Resources,
    SandboxSpec,
    SandboxStatus,
    SecurityContext,
)

#: The kubelet's period, and the kernel's smallest quota, in microseconds (``pkg/kubelet/cm/helpers_linux.go``).
_PERIOD: Final = 100_000
_LEAST_QUOTA: Final = 1000
_LEAST_MEMORY: Final = 6 << 20
#: What the kernel itself shows where there is no limit.
_ALL_MEMORY: Final = (1 << 63) - 4096
_NO_LOG_LIMIT: Final = {"Type": "json-file", "Config": {}}
_SIGKILL_CODE: Final = 137
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def owner(cluster: str, node: str) -> dict[str, str]:
    """The labels of everything on one node."""
    return {labels.CLUSTER: cluster, labels.NODE: node}


def sandbox_body(
    spec: SandboxSpec, image: str, own: Mapping[str, str], *, network: str, resolver: str = ""
) -> dict[str, Any]:
    """POST /containers/create of a sandbox. It holds the pod's network, hostname, IPC and files.

    ``resolver`` is a file to show as resolv.conf where the network is somebody else's.
    """
    return {
        "Image": image,
        "Hostname": spec.hostname if not spec.host_network else "",
        "Labels": {
            **own,
            labels.KIND: "sandbox",
            labels.NAMESPACE: spec.namespace,
            labels.POD: spec.name,
            labels.UID: spec.uid,
            labels.HOST_NETWORK: "1" if spec.host_network else "",
            labels.SHARE_PID: "1" if spec.share_process_namespace else "",
            labels.RESOLVER: resolver,
        },
        "HostConfig": {
            "NetworkMode": network,
            "IpcMode": "shareable",
            "PidMode": "host" if spec.host_pid else "",
            "Sysctls": {} if spec.host_network else dict(spec.sysctls),
            "LogConfig": {"Type": "none", "Config": {}},
            **({} if spec.host_network else _resolver(spec)),
        },
    }


def limits_body(resources: Resources) -> dict[str, int]:
    """The limits in a container's HostConfig; 0 is unlimited.

    A quota rather than NanoCpus: an engine refuses NanoCpus beyond the machine's processors, and makes quotas below the
    kernel's minimum of them. It takes no limit of memory below 6 MB: what asks for less gets that.
    """
    cpu = resources.cpu_limit_millis
    memory = max(_LEAST_MEMORY, resources.memory_limit_bytes) if resources.memory_limit_bytes else 0
    return {
        "Memory": memory,
        "MemorySwap": memory,
        "CpuPeriod": _PERIOD if cpu else 0,
        "CpuQuota": max(_LEAST_QUOTA, cpu * _PERIOD // 1000) if cpu else 0,
        "CpuShares": max(2, (resources.cpu_request_millis or 2) * 1024 // 1000),
    }


def changed_limits_body(resources: Resources) -> dict[str, int]:
    """The same in POST /containers/ID/update, where 0 changes nothing and -1 lifts a quota only."""
    body = limits_body(resources)
    if not resources.cpu_limit_millis:
        body |= {"CpuPeriod": _PERIOD, "CpuQuota": -1}
    if not resources.memory_limit_bytes:
        body |= {"Memory": _ALL_MEMORY, "MemorySwap": _ALL_MEMORY}
    return body


def container_body(
    spec: ContainerSpec, sandbox: Mapping[str, Any], image: ImageInfo, own: Mapping[str, str], *, termination: str,
    pid_mode: str, on_engine: Callable[[str], str] = str,
) -> dict[str, Any]:  # fmt: skip
    """POST /containers/create of an app container in the sandbox that ``/containers/ID/json`` showed.

    ``on_engine`` turns paths into those of the engine's machine.
    """
    sandbox_id = str(sandbox["Id"])
    security = spec.security
    told = sandbox["Config"]["Labels"]
    return {
        "Image": image.id,
        "Entrypoint": list(spec.command) or None,
        "Cmd": list(spec.args) or None,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "WorkingDir": spec.working_dir,
        "User": _user(spec),
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        "Tty": spec.tty,
        "StopSignal": spec.stop_signal or "",
        "Labels": {
            **own,
            labels.KIND: "container",
            labels.SANDBOX: sandbox_id,
            labels.CONTAINER: spec.name,
            labels.ATTEMPT: str(spec.attempt),
            labels.IMAGE: spec.image,
            labels.LOG: str(spec.log_path or ""),
            labels.TERMINATION: termination,
            labels.TTY: "1" if spec.tty else "",
            **{name: told.get(name, "") for name in (labels.NAMESPACE, labels.POD, labels.UID)},
        },
        "HostConfig": {
            "NetworkMode": f"container:{sandbox_id}",
            "IpcMode": f"container:{sandbox_id}",
            "PidMode": pid_mode,
            "Mounts": _mounts(
                spec,
                {spec.termination_message_path: termination, "/etc/resolv.conf": told.get(labels.RESOLVER, "")},
                on_engine,
            ),
            "ReadonlyRootfs": security.read_only_root,
            "Privileged": security.privileged,
            "CapAdd": list(security.add_capabilities),
            "CapDrop": list(security.drop_capabilities),
            "SecurityOpt": _security_options(security),
            "GroupAdd": [str(group) for group in security.supplemental_groups],
            **limits_body(spec.resources),
            "LogConfig": _NO_LOG_LIMIT,
        },
    }


def sandbox_status(data: Mapping[str, Any]) -> SandboxStatus:
    """A sandbox from ``/containers/ID/json``."""
    told, state = data["Config"]["Labels"], data["State"]
    ready = bool(state["Running"])
    own_network = ready and not told.get(labels.HOST_NETWORK)
    return SandboxStatus(
        id=data["Id"],
        namespace=told.get(labels.NAMESPACE, ""),
        name=told.get(labels.POD, ""),
        uid=told.get(labels.UID, ""),
        ready=ready,
        netns_path=f"/proc/{state['Pid']}/ns/net" if own_network else "",
        created_at=parse_time(data["Created"]) or _EPOCH,
    )


def container_status(data: Mapping[str, Any], *, abandoned: bool, last_words: str) -> ContainerStatus:
    """A container from ``/containers/ID/json``. One whose start failed stays `created` there and is exited here."""
    told, state = data["Config"]["Labels"], data["State"]
    name = _state(state, abandoned=abandoned)
    code = state["ExitCode"] if name is ContainerState.EXITED else None
    fault = str(state.get("Error") or "")
    failed_start = bool(fault) and state["Status"] == "created"
    return ContainerStatus(
        id=data["Id"],
        sandbox_id=told.get(labels.SANDBOX, ""),
        name=told.get(labels.CONTAINER, ""),
        attempt=int(told.get(labels.ATTEMPT) or 0),
        image=told.get(labels.IMAGE, ""),
        image_id=data["Image"],
        state=name,
        created_at=parse_time(data["Created"]) or _EPOCH,
        started_at=parse_time(state["StartedAt"]),
        finished_at=parse_time(state["FinishedAt"]) or (parse_time(data["Created"]) if code is not None else None),
        exit_code=_SIGKILL_CODE if abandoned and not failed_start and not code else code,
        reason=_reason(state, code, failed_start=failed_start, abandoned=abandoned),
        message=fault if failed_start else last_words,
        pid=state["Pid"] or None,
        log_path=Path(told[labels.LOG]) if told.get(labels.LOG) else None,
    )


def parse_time(text: str) -> datetime | None:
    """The engine's RFC 3339 with up to nine decimals; None for its zero time."""
    match = _TIME.fullmatch(text or "")
    if match is None or text.startswith("0001-"):
        return None
    seconds, decimals, zone = match.groups()
    return datetime.fromisoformat(f"{seconds}.{(decimals or '')[:6]:0<6}{'+00:00' if zone == 'Z' else zone}")


def _state(state: Mapping[str, Any], *, abandoned: bool) -> ContainerState:
    if state["Status"] == "created":
        return ContainerState.EXITED if state.get("Error") or abandoned else ContainerState.CREATED
    return ContainerState.RUNNING if state["Running"] else ContainerState.EXITED


def _reason(state: Mapping[str, Any], code: int | None, *, failed_start: bool, abandoned: bool) -> str:
    if code is None:
        return ""
    if failed_start:
        return "StartError"
    if state.get("OOMKilled"):
        return "OOMKilled"
    return "Error" if code or abandoned else "Completed"


def _security_options(security: SecurityContext) -> list[str]:
    """An engine has its own default for seccomp; Kubernetes' is none at all."""
    if security.privileged:
        return []
    found = [] if security.seccomp == "RuntimeDefault" else ["seccomp=unconfined"]
    return found if security.allow_privilege_escalation else [*found, "no-new-privileges"]


def _user(spec: ContainerSpec) -> str:
    user, group = spec.security.run_as_user, spec.security.run_as_group
    if user is None:
        return "" if group is None else f"0:{group}"
    return str(user) if group is None else f"{user}:{group}"


def _mounts(spec: ContainerSpec, files: Mapping[str, str], on_engine: Callable[[str], str]) -> list[dict[str, Any]]:
    """The volumes, and ``files`` (target -> source) that no volume hides."""
    found = [_volume(mount, on_engine(str(mount.source))) for mount in spec.mounts]
    taken = {mount.target for mount in spec.mounts}
    return found + [
        {"Type": "bind", "Source": on_engine(source), "Target": target}
        for target, source in files.items()
        if source and target and target not in taken
    ]


def _volume(mount: Mount, source: str) -> dict[str, Any]:
    """An engine refuses private propagation out of its own volumes; left alone it chooses what it can."""
    found: dict[str, Any] = {
        "Type": "bind", "Source": source, "Target": mount.target, "ReadOnly": mount.read_only,
    }  # fmt: skip
    propagation = {"slave": "rslave", "shared": "rshared"}.get(mount.propagation)
    if propagation is None and source == str(mount.source):
        propagation = "rprivate"
    return found | ({"BindOptions": {"Propagation": propagation}} if propagation else {})


def _resolver(spec: SandboxSpec) -> dict[str, Any]:
    """resolv.conf and hosts, which the engine writes from these for the sandbox and all that join it."""
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in spec.resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] in found:
            found[words[0]] += words[1:]
    hosts = []
    for line in spec.etc_hosts.splitlines():
        words = line.partition("#")[0].split()
        hosts += [f"{name}:{words[0]}" for name in words[1:] if name != "localhost"]
    return {"Dns": found["nameserver"], "DnsSearch": found["search"] or ["."], "DnsOptions": found["options"],
            "ExtraHosts": hosts}  # fmt: skip
