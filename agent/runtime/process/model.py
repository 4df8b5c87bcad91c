"""What the agent tells its machine about sandboxes and containers, and what the machine answers.

Plain dataclasses of JSON values: ``dataclasses.asdict`` on one side, ``from_json`` on the other. Everything that needs
knowledge of Kubernetes or of images is resolved by the agent before it gets here. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

Config = TypeVar("Config", bound="SandboxConfig | ContainerConfig | ExecConfig | LimitConfig")


class BadRequest(ValueError):
    """The agent asked for something that makes no sense; the sentence says what."""


@dataclass(slots=True)
class SandboxConfig:
    """A sandbox as the agent asks for it. Contents of files are given as text."""

    id: str
    namespace: str
    name: str
    uid: str
    hostname: str
    created_at: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_pid: bool = False
    resolv_conf: str = ""
    etc_hosts: str = ""
    sysctls: dict[str, str] = field(default_factory=dict)
    limits: LimitConfig = field(default_factory=lambda: LimitConfig())


@dataclass(slots=True)
class MountConfig:
    """A bind mount. ``propagation`` is "private", "slave" or "shared"."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "private"


@dataclass(slots=True)
class UserConfig:
    """Who runs it. ``user`` is the image's own wish ("name", "uid", "uid:gid"), used where ``uid`` is None."""

    user: str = ""
    uid: int | None = None
    gid: int | None = None
    groups: list[int] = field(default_factory=list)
    privileged: bool = False
    no_new_privileges: bool = False
    add_capabilities: list[str] = field(default_factory=list)
    drop_capabilities: list[str] = field(default_factory=list)
    seccomp: bool = False


@dataclass(slots=True)
class LimitConfig:
    """Millicores and bytes; None is unlimited."""

    cpu_request: int | None = None
    cpu_limit: int | None = None
    memory_limit: int | None = None


@dataclass(slots=True)
class EchoConfig:
    """What the built-in echo server answers for: its ports as ["TCP", 80] pairs, and who it is."""

    ports: list[tuple[str, int]]
    identity: dict[str, str]


@dataclass(slots=True)
class ContainerConfig:
    """A container as the agent asks for it.

    ``rootfs`` is a directory that is shared between containers and never changed ("": the host's own tools, read-only);
    without ``argv`` the built-in ``echo`` server runs in the forked process itself.
    """

    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    image_id: str
    created_at: str
    rootfs: str = ""
    argv: list[str] = field(default_factory=list)
    echo: EchoConfig | None = None
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    user: UserConfig = field(default_factory=UserConfig)
    limits: LimitConfig = field(default_factory=LimitConfig)
    mounts: list[MountConfig] = field(default_factory=list)
    read_only_root: bool = False
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    log_path: str = ""
    termination_path: str = ""
    stop_signal: str = ""
    joins: str = ""
    oom_score: int | None = None


@dataclass(slots=True)
class ExecConfig:
    """A further process in a running container."""

    container_id: str
    argv: list[str]
    tty: bool = False
    stdin: bool = False


_NESTED: dict[str, type] = {"user": UserConfig, "limits": LimitConfig, "echo": EchoConfig}


def from_json(kind: type[Config], data: Any) -> Config:
    """``data`` as ``kind``. Raises BadRequest for anything but an object with the right names."""
    if not isinstance(data, dict):
        raise BadRequest(f"{kind.__name__}: not an object")
    known = {item.name for item in fields(kind)}
    if unknown := set(data) - known:
        raise BadRequest(f"{kind.__name__}: unknown {', '.join(sorted(unknown))}")
    values = dict(data)
    try:
        for name, nested in _NESTED.items():
            if values.get(name) is not None:
                values[name] = nested(**values[name])
        if kind is ContainerConfig:
            values["mounts"] = [MountConfig(**mount) for mount in values.get("mounts") or ()]
        return kind(**values)
    except TypeError as error:
        raise BadRequest(f"{kind.__name__}: {error}") from error
