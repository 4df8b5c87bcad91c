"""What the endpoint needs to know of pods: finding one by a request's path, its containers and their logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aiohttp import web

from agent.runtime.protocol import ContainerState, ContainerStatus
from minikube_py.api.meta import name_of, uid_of
from minikube_py.api.types import Object


class History(Protocol):
    """What the runtime shows of one pod."""

    def latest(self, name: str) -> ContainerStatus | None: ...

    def attempts(self, name: str) -> tuple[ContainerStatus, ...]: ...

    def sandbox_id(self) -> str | None: ...


class PodDirectory(Protocol):
    """The node's pods (agent.pods.manager.PodManager)."""

    def pods(self) -> list[Object]: ...

    def find(self, namespace: str, name: str, uid: str = "") -> Object | None: ...

    def observed(self, uid: str) -> History: ...

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call back with the uid of each pod that the runtime shows differently."""
        ...

    def log_file(self, pod: Object, container: str, attempt: int) -> Path: ...


def pod_of(directory: PodDirectory, request: web.Request) -> Object:
    """The pod of ``/{namespace}/{pod}[/{uid}]``. Raises HTTPNotFound."""
    match = request.match_info
    pod = directory.find(match["namespace"], match["pod"], match.get("uid", ""))
    if pod is None:
        raise web.HTTPNotFound(text="pod does not exist")
    return pod


def running_container(directory: PodDirectory, request: web.Request) -> ContainerStatus:
    """The running container that a request names. Raises HTTPNotFound."""
    pod = pod_of(directory, request)
    name = request.match_info["container"]
    status = directory.observed(uid_of(pod)).latest(name)
    if status is None or status.state is not ContainerState.RUNNING:
        raise web.HTTPNotFound(text=f'container not found ("{name}")')
    return status


def container_names(pod: Object) -> list[str]:
    """Every container of the spec."""
    spec = pod.get("spec") or {}
    groups = ("containers", "initContainers", "ephemeralContainers")
    return [container["name"] for group in groups for container in spec.get(group) or ()]


def status_entry(pod: Object, name: str) -> Object:
    """The container's entry in the pod's status, {} where there is none."""
    status = pod.get("status") or {}
    groups = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    entries = (entry for group in groups for entry in status.get(group) or () if entry["name"] == name)
    return next(entries, {})


def waiting_text(pod: Object, name: str) -> str:
    """Why a container has no log, in the kubelet's words."""
    about = f'container "{name}" in pod "{name_of(pod)}" is'
    waiting = (status_entry(pod, name).get("state") or {}).get("waiting")
    if waiting is None:
        return f"{about} waiting to start - no logs yet"
    reason = waiting.get("reason") or "ContainerCreating"
    known = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    return f"{about} waiting to start: {known.get(reason, reason)}"
