"""Between the Runtime protocol and the machine's model: pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.images.model import LocalImage
from agent.runtime.process.model import (
    ContainerConfig,
    EchoConfig,
    LimitConfig,
    MountConfig,
    SandboxConfig,
    UserConfig,
)
from agent.runtime.protocol import (
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Resources,
    SandboxSpec,
    SandboxStatus,
    SecurityContext,
)


def sandbox_config(spec: SandboxSpec, *, sandbox_id: str, now: datetime) -> SandboxConfig:
    """What the machine is told of a sandbox."""
    return SandboxConfig(
        id=sandbox_id,
        namespace=spec.namespace,
        name=spec.name,
        uid=spec.uid,
        hostname=spec.hostname,
        created_at=now.isoformat(),
        host_network=spec.host_network,
        host_pid=spec.host_pid,
        host_ipc=spec.host_ipc,
        share_pid=spec.share_process_namespace and not spec.host_pid,
        resolv_conf=spec.resolv_conf,
        etc_hosts=spec.etc_hosts,
        sysctls=dict(spec.sysctls),
        limits=limit_config(spec.resources),
    )


def limit_config(resources: Resources) -> LimitConfig:
    """What the machine is told of limits."""
    return LimitConfig(resources.cpu_request_millis, resources.cpu_limit_millis, resources.memory_limit_bytes)


def container_config(
    spec: ContainerSpec, image: LocalImage, *, container_id: str, sandbox_id: str, node_name: str, now: datetime
) -> ContainerConfig:
    """What the machine is told of a container: the pod's wishes over the image's."""
    argv = command_line(spec, image)
    return ContainerConfig(
        id=container_id,
        sandbox_id=sandbox_id,
        name=spec.name,
        attempt=spec.attempt,
        image=spec.image,
        image_id=image.info.id,
        created_at=now.isoformat(),
        rootfs=image.rootfs,
        argv=argv,
        echo=None if argv else EchoConfig(ports(spec), identity(spec, node_name)),
        env={**image.info.env, **spec.env},
        cwd=spec.working_dir or image.info.working_dir,
        user=_user(spec.security, image),
        limits=limit_config(spec.resources),
        mounts=[MountConfig(str(each.source), each.target, each.read_only, each.propagation) for each in spec.mounts],
        read_only_root=spec.security.read_only_root,
        stdin=spec.stdin,
        stdin_once=spec.stdin_once,
        tty=spec.tty,
        log_path=str(spec.log_path or ""),
        termination_path=spec.termination_message_path,
        stop_signal=spec.stop_signal or image.info.stop_signal,
        joins=spec.target_container_id,
        oom_score=spec.oom_score_adj,
    )


def command_line(spec: ContainerSpec, image: LocalImage) -> list[str]:
    """command replaces entrypoint and cmd, args replaces cmd; none for the built-in echo without a command."""
    if image.echo and not spec.command:
        return []
    if spec.command:
        return [*spec.command, *spec.args]
    return [*image.info.entrypoint, *(spec.args or image.info.command)]


def ports(spec: ContainerSpec) -> list[tuple[str, int]]:
    """The declared ports of this container in the pod."""
    pod = spec.pod.get("spec") or {}
    groups = ("containers", "initContainers", "ephemeralContainers")
    for container in (each for group in groups for each in pod.get(group) or ()):
        if container.get("name") == spec.name:
            return [
                (port.get("protocol") or "TCP", int(port["containerPort"])) for port in container.get("ports") or ()
            ]
    return []


def identity(spec: ContainerSpec, node_name: str) -> dict[str, str]:
    """Who the echo says it is."""
    metadata = spec.pod.get("metadata") or {}
    return {
        "pod": str(metadata.get("name") or ""),
        "namespace": str(metadata.get("namespace") or ""),
        "node": node_name,
        "container": spec.name,
    }


def container_status(data: Mapping[str, Any], *, pid: int | None) -> ContainerStatus:
    """A container as the machine tells it; ``pid`` is as this process sees it."""
    return ContainerStatus(
        id=data["id"],
        sandbox_id=data["sandbox_id"],
        name=data["name"],
        attempt=data["attempt"],
        image=data["image"],
        image_id=data["image_id"],
        state=ContainerState(data["state"]),
        created_at=datetime.fromisoformat(data["created_at"]),
        started_at=_time(data["started_at"]),
        finished_at=_time(data["finished_at"]),
        exit_code=data["exit_code"],
        reason=data["reason"],
        message=data["message"],
        pid=pid,
        log_path=_path(data["log_path"]),
    )


def sandbox_status(data: Mapping[str, Any], *, machine_pid: int) -> SandboxStatus:
    """A sandbox as the machine tells it. Its namespace is a descriptor of the machine, opened through /proc."""
    fd = int(data["netns_fd"])
    return SandboxStatus(
        id=data["id"],
        namespace=data["namespace"],
        name=data["name"],
        uid=data["uid"],
        ready=bool(data["ready"]),
        netns_path=f"/proc/{machine_pid}/fd/{fd}" if fd >= 0 else "",
        created_at=datetime.fromisoformat(data["created_at"]),
    )


def signal_number(name: str) -> int:
    """``SIGTERM``, ``TERM`` or ``15``; SIGTERM for what nobody knows."""
    if name.isdigit():
        return int(name)
    short = name.upper().removeprefix("SIG")
    if short.startswith("RTMIN"):
        offset = short.removeprefix("RTMIN").lstrip("+")
        return int(signal.SIGRTMIN) + (int(offset) if offset.isdigit() else 0)
    return int(getattr(signal, f"SIG{short}", signal.SIGTERM))


def _user(security: SecurityContext, image: LocalImage) -> UserConfig:
    return UserConfig(
        user=image.info.user,
        uid=security.run_as_user,
        gid=security.run_as_group,
        groups=list(security.supplemental_groups),
        privileged=security.privileged,
        no_new_privileges=not security.allow_privilege_escalation and not security.privileged,
        add_capabilities=list(security.add_capabilities),
        drop_capabilities=list(security.drop_capabilities),
        seccomp=security.seccomp == "RuntimeDefault" and not security.privileged,
    )


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _path(text: str) -> Path | None:
    return Path(text) if text else None
