"""ContainerStatus entries of a pod's status, from what the runtime shows. Pure.

The rules are the kubelet's (``kubelet_pods.go``, convertToAPIContainerStatuses): the newest attempt is the state, the
one before it the last state; a container that cannot be started shows why; one that vanished is told as lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.pods.model import (
    Container,
    Role,
    app_containers,
    ephemeral_containers,
    init_containers,
    spec_of,
)
from agent.pods.observation import PodObservation, ProbeResults, Probes
from agent.pods.plan import has_initialized, initial_results, should_start
from agent.pods.resize import RESIZABLE, Requirements, ResizeFacts
from agent.runtime.protocol import ContainerState, ContainerStatus
from minikube_py.api.meta import format_time, is_deleting
from minikube_py.api.types import Object

#: The scheme before a container's id in the API.
ID_SCHEME = "minik://"
_LOST = "The container could not be located when the pod was deleted.  The container used to be Running"
_PASSED = (
    "Unable to get init container status from container runtime and pod has been initialized, "
    "treat it as exited normally"
)


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a container does not start: what its waiting state shows."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class StatusInput:
    """Everything the container statuses are computed from: the pod with its allocation, the status published before."""

    pod: Object
    previous: Object
    seen: PodObservation
    probes: Probes
    failures: Mapping[str, StartFailure]
    resize: ResizeFacts = field(default_factory=ResizeFacts)


Entry = dict[str, Any]


def container_statuses(given: StatusInput) -> dict[str, list[Entry]]:
    """The three status lists by their field names; a list without containers is left out."""
    groups = {
        "initContainerStatuses": init_containers(given.pod),
        "containerStatuses": sorted(app_containers(given.pod), key=lambda one: one.name),
        "ephemeralContainerStatuses": sorted(ephemeral_containers(given.pod), key=lambda one: one.name),
    }
    return {field: _group(given, field, containers) for field, containers in groups.items() if containers}


def _group(given: StatusInput, field: str, containers: list[Container]) -> list[Entry]:
    old = {status["name"]: status for status in given.previous.get(field) or ()}
    return [_entry(given, container, old.get(container.name)) for container in containers]


def _entry(given: StatusInput, container: Container, old: Entry | None) -> Entry:
    attempts = given.seen.history.get(container.name, ())
    entry = _from_runtime(given, attempts, container, old) if attempts else _never_seen(given, container, old)
    _apply_failure(given, container, entry)
    _apply_probes(given, container, entry, attempts[0] if attempts else None)
    return entry


def _base(container: Container, restarts: int, last_state: Entry) -> Entry:
    entry: Entry = {
        "name": container.name,
        "state": {},
        "lastState": last_state,
        "ready": False,
        "restartCount": restarts,
        "image": container.spec.get("image", ""),
        "imageID": "",
        "started": False,
    }
    mounts = [_mount(mount) for mount in container.spec.get("volumeMounts") or ()]
    return entry | ({"volumeMounts": mounts} if mounts else {}) | _resources(container.spec.get("resources") or {})


def _mount(mount: Entry) -> Entry:
    shown: Entry = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        shown |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return shown


def _resources(resources: Entry) -> Entry:
    if not resources:
        return {"resources": {}}
    return {"resources": resources} | ({"allocatedResources": resources["requests"]} if "requests" in resources else {})


def _from_runtime(
    given: StatusInput, attempts: tuple[ContainerStatus, ...], container: Container, old: Entry | None
) -> Entry:
    newest = attempts[0]
    last = _state(attempts[1]) if len(attempts) > 1 else _last_from(old, newest)
    entry = _base(container, newest.attempt, last)
    entry["state"] = _state(newest)
    entry["image"] = newest.image or entry["image"]
    entry["imageID"] = newest.image_id
    entry["containerID"] = ID_SCHEME + newest.id
    actual = given.resize.actual.get((container.name, newest.attempt))
    if actual is not None and newest.state is ContainerState.RUNNING:
        entry["resources"] = _in_force(entry["resources"], actual)
    return entry


def _in_force(allocated: Entry, actual: Requirements) -> Entry:
    """The allocation with those amounts of cpu and memory that the running container is held to."""
    found = {}
    for kind in ("requests", "limits"):
        rest = {name: amount for name, amount in (allocated.get(kind) or {}).items() if name not in RESIZABLE}
        held = {name: amount for name, amount in (actual.get(kind) or {}).items() if name in RESIZABLE}
        if kind in allocated or held:
            found[kind] = rest | held
    return {key: value for key, value in allocated.items() if key not in found} | found


def _last_from(old: Entry | None, newest: ContainerStatus) -> Entry:
    """The last state where the runtime no longer has that attempt: what was published of another container."""
    if old is None:
        return {}
    terminated = (old.get("state") or {}).get("terminated")
    if terminated and old.get("containerID") != ID_SCHEME + newest.id:
        return {"terminated": terminated}
    return old.get("lastState") or {}


def _state(status: ContainerStatus) -> Entry:
    if status.state is ContainerState.CREATED:
        return {"waiting": {}}
    started = {"startedAt": format_time(status.started_at)} if status.started_at else {"startedAt": None}
    if status.state is ContainerState.RUNNING:
        return {"running": started}
    code = 137 if status.exit_code is None else status.exit_code
    ended: Entry = {"exitCode": code, "reason": status.reason or ("Completed" if code == 0 else "Error")}
    if code > 128 and not status.reason:
        ended["signal"] = code - 128
    if status.message:
        ended["message"] = status.message
    finished = {"finishedAt": format_time(status.finished_at) if status.finished_at else None}
    return {"terminated": ended | started | finished | {"containerID": ID_SCHEME + status.id}}


def _never_seen(given: StatusInput, container: Container, old: Entry | None) -> Entry:
    """A container of which the runtime has nothing: not made yet, or lost, or an init container long done."""
    waiting = "PodInitializing" if spec_of(given.pod).get("initContainers") else "ContainerCreating"
    if old is not None and (old.get("state") or {}).get("terminated"):
        return dict(old)
    entry = _base(container, int((old or {}).get("restartCount") or 0), (old or {}).get("lastState") or {})
    entry["state"] = {"waiting": {"reason": waiting}}
    if container.role is Role.INIT and has_initialized(given.pod, given.seen):
        entry["state"] = {"terminated": {"reason": "Completed", "message": _PASSED, "exitCode": 0}}
    elif old is not None and (old.get("state") or {}).get("running") is not None:
        ended = {"reason": "ContainerStatusUnknown", "message": _LOST, "exitCode": 137}
        entry["lastState"] = entry["lastState"] or {"terminated": ended}
        # Counted whatever it had been through before: an entry without a container tells the attempt to come.
        entry["restartCount"] += 0 if is_deleting(given.pod) else 1
    return entry


def _apply_failure(given: StatusInput, container: Container, entry: Entry) -> None:
    """A container that will be started again and could not be shows why it waits."""
    failure = given.failures.get(container.name)
    if failure is None or not _restartable(given, container):
        return
    if entry["state"].get("terminated"):
        entry["lastState"] = entry["state"]
    waiting = {"reason": failure.reason} | ({"message": failure.message} if failure.message else {})
    entry["state"] = {"waiting": waiting}


def _restartable(given: StatusInput, container: Container) -> bool:
    status = given.seen.latest(container.name)
    succeeded = status is not None and status.state is ContainerState.EXITED and status.exit_code == 0
    if container.role is Role.INIT and succeeded:
        return False
    return should_start(container, given.pod, status)


def _apply_probes(given: StatusInput, container: Container, entry: Entry, newest: ContainerStatus | None) -> None:
    running = entry["state"].get("running") is not None
    results = ProbeResults()
    if running and newest is not None:
        results = given.probes.get(newest.id, initial_results(container))
    entry["started"] = running and results.started
    if container.role is Role.INIT:
        terminated = entry["state"].get("terminated")
        entry["ready"] = terminated is not None and terminated.get("exitCode") == 0
    elif container.role is Role.EPHEMERAL:
        entry["ready"] = False
        entry.pop("started")
    else:
        entry["ready"] = entry["started"] and results.ready
