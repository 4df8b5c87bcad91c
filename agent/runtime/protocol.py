"""The Runtime protocol: all that the pod worker knows of containers.

A *sandbox* is a pod's shared part: a network namespace (plus hostname and IPC) that lives as long as the pod.
Containers run inside a sandbox. The contract, which ``tests/contract/runtime`` holds every implementation to:

- Every call is idempotent where its name allows it: removing what is gone succeeds, ensuring what is there returns it.
- Ids are chosen by the runtime and stay the same across a restart of the agent; ``list_sandboxes`` and
  ``list_containers`` tell all that is there, so that a new agent can adopt what it finds.
- A container's exit is announced once on ``events()`` to every subscriber and remains readable from
  ``list_containers`` until ``remove_container``.
- No call blocks the event loop, and cancelling a call leaves no half-made container behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from minikube_py.api.types import Object


class RuntimeFault(Exception):
    """A runtime operation failed. ``reason`` is what a container status shows (RunContainerError, …)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ImageFault(RuntimeFault):
    """An image cannot be had: reason ErrImagePull, ErrImageNeverPull or InvalidImageName."""


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path shown inside a container. ``source`` is already made by the volume manager."""

    source: Path
    target: str
    read_only: bool = False
    propagation: str = "private"


@dataclass(frozen=True, slots=True)
class SecurityContext:
    """The effective (pod merged with container) security settings. None means: not asked for.

    ``seccomp`` is "Unconfined" or "RuntimeDefault".
    """

    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    read_only_root: bool = False
    privileged: bool = False
    allow_privilege_escalation: bool = True
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    seccomp: str = "Unconfined"


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits to enforce, of a container or of a pod as a whole. Millicores and bytes; None is unlimited."""

    cpu_request_millis: int | None = None
    cpu_limit_millis: int | None = None
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What a pod's sandbox is made from."""

    namespace: str
    name: str
    uid: str
    hostname: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    resolv_conf: str = ""
    etc_hosts: str = ""
    log_dir: Path | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What one container is made from. ``pod`` is the whole Pod, for labels and for images that read it.

    ``target_container_id`` is the running container whose process namespace it joins (ephemeral containers).
    """

    name: str
    image: str
    attempt: int
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    security: SecurityContext = SecurityContext()
    resources: Resources = Resources()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    stop_signal: str | None = None
    log_path: Path | None = None
    termination_message_path: str = "/dev/termination-log"
    pod: Object = field(default_factory=dict)
    target_container_id: str = ""
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """A sandbox as the runtime sees it now. ``netns_path`` opens to its network namespace; "" with host networking."""

    id: str
    namespace: str
    name: str
    uid: str
    ready: bool
    netns_path: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container as the runtime sees it now."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    image_id: str
    state: ContainerState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    pid: int | None = None
    log_path: Path | None = None


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something changed: a container started or exited, or a sandbox died (``container_id`` is then "")."""

    sandbox_id: str
    container_id: str
    state: ContainerState


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image that is on this node. ``pullable``: a registry may have another one of its name by now; what was loaded
    or built by hand is what its name means."""

    id: str
    names: tuple[str, ...]
    size_bytes: int
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    pullable: bool = True


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """Resources used so far. ``writable_layer`` is where its changes to the image lie on this machine's disk."""

    container_id: str
    cpu_nanoseconds: int
    memory_bytes: int
    writable_layer: Path | None = None


class Streams(Protocol):
    """A running exec or attach. Without a tty, stdout and stderr are apart; with one, stderr never says anything."""

    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    async def write_stdin(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def wait(self) -> int:
        """The exit code (128 + signal when killed)."""
        ...

    async def close(self) -> None:
        """The client is gone: end what was started for it and free everything."""
        ...


#: Bytes of an image that have arrived, and bytes in all.
Progress = Callable[[int, int], None]


def unwatched(_arrived: int, _total: int) -> None:
    """Nobody wants to know how far a pull is."""


class ImageStore(Protocol):
    """Images on this node."""

    async def ensure(
        self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = (), on_progress: Progress = unwatched
    ) -> ImageInfo:
        """The image, fetched when the policy says so; ``on_progress`` is told how far that is. Raises ImageFault."""
        ...

    async def accessible(self, image: str, secrets: Sequence[Object]) -> bool:
        """Whether a pod with these pull secrets may use the image without asking its registry (KEP-2535). True for one
        that is not here."""
        ...

    async def directory(self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = ()) -> Path:
        """The files of an image, never to be changed, for image volumes (KEP-4639). Raises ImageFault."""
        ...

    async def list_images(self) -> list[ImageInfo]: ...

    async def remove(self, image_id: str) -> None: ...


class Runtime(Protocol):
    """Sandboxes and containers on one node."""

    name: str
    version: str

    @property
    def images(self) -> ImageStore: ...

    async def start(self) -> None:
        """Connect; raises RuntimeFault with a sentence for the user where it cannot work."""
        ...

    async def stop(self) -> None:
        """Disconnect. Pods go on running."""
        ...

    async def run_sandbox(self, spec: SandboxSpec) -> SandboxStatus: ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what still runs in it and give up its namespaces."""
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None: ...

    async def list_sandboxes(self) -> list[SandboxStatus]: ...

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str: ...

    async def start_container(self, container_id: str) -> None:
        """Raises RuntimeFault (RunContainerError, exit code 126 or 127) where the command cannot be executed."""
        ...

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        """Stop signal, wait, SIGKILL. Returns when it has exited."""
        ...

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """Other limits for a container while it runs. Raises RuntimeFault (ResizeError) where they cannot be had."""
        ...

    async def update_pod_resources(self, sandbox_id: str, resources: Resources) -> None:
        """The same for all containers of a sandbox together; nothing happens where a runtime has no such group."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def list_containers(self) -> list[ContainerStatus]: ...

    def events(self) -> AsyncIterator[ContainerEvent]:
        """Events from now on. A subscriber that lags gets everything still: events are small."""
        ...

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Streams: ...

    async def attach(self, container_id: str, *, stdin: bool = False) -> Streams: ...

    async def port_forward(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to 127.0.0.1:port (then [::1]:port) inside the pod. Raises OSError."""
        ...

    async def usage(self) -> list[ContainerUsage]: ...

    async def reopen_log(self, container_id: str) -> None:
        """The log file has been renamed: go on in a new one of the old name."""
        ...
