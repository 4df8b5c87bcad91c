"""In-place resize (KEP-1287): what a pod asks for, what the node agrees to, what containers are held to. Pure.

The *spec* is the wish. The *allocation* is what the node has agreed to; all that happens on the node follows it. The
*actual* resources are those that a running attempt was started with, or given since. A resize is under way while the
allocation of a running container differs from its actual resources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.pods.model import Container, app_containers, init_containers, spec_of
from agent.pods.observation import PodObservation
from agent.runtime.protocol import ContainerState, ContainerStatus
from minikube_py.api.meta import find_condition
from minikube_py.api.quantity import bytes_of, parse_quantity
from minikube_py.api.types import Object

PENDING = "PodResizePending"
IN_PROGRESS = "PodResizeInProgress"
RESIZABLE = ("cpu", "memory")

Requirements = Mapping[str, Any]
#: ResourceRequirements by container name; the pod's own are under "".
Allocation = Mapping[str, Requirements]
#: ResourceRequirements in force by container name and attempt.
Actual = Mapping[tuple[str, int], Requirements]


@dataclass(frozen=True, slots=True)
class ResizeFacts:
    """What the status tells of resizes: ``deferred`` why the node does not agree yet, ``error`` why it cannot do it."""

    actual: Actual = field(default_factory=dict)
    deferred: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Resize:
    """A running container that is not held to its allocation yet. ``restart``: its resizePolicy wants it replaced."""

    container: Container
    status: ContainerStatus
    actual: Requirements
    restart: bool

    @property
    def wanted(self) -> Requirements:
        """What the node has agreed to."""
        return _own(self.container.spec)

    @property
    def lowers_memory_to(self) -> int | None:
        """The new memory limit in bytes where it is lower than before."""
        wanted, actual = _amount(self.wanted, "limits", "memory"), _amount(self.actual, "limits", "memory")
        if wanted is None or (actual is not None and wanted >= actual):
            return None
        return bytes_of(self.wanted["limits"]["memory"])


def allocation_of(pod: Object) -> dict[str, Requirements]:
    """The allocation that gives the pod all that it asks for."""
    found = {container.name: _own(container.spec) for container in _resizable(pod)}
    return found | ({"": spec_of(pod)["resources"]} if spec_of(pod).get("resources") else {})


def with_allocation(pod: Object, allocation: Allocation) -> Object:
    """The pod as the node has agreed to it."""
    if allocation == allocation_of(pod):
        return pod
    spec = dict(spec_of(pod))
    for group in ("initContainers", "containers"):
        if spec.get(group):
            spec[group] = [one | {"resources": allocation.get(one["name"], _own(one))} for one in spec[group]]
    if spec.get("resources") and "" in allocation:
        spec["resources"] = allocation[""]
    return {**pod, "spec": spec}


def is_allocated(pod: Object, allocation: Allocation) -> bool:
    """Whether the allocation amounts to what the pod asks for, in whichever words."""
    wanted = allocation_of(pod)
    return wanted.keys() == allocation.keys() and not any(
        differences(wanted[name], allocation[name]) for name in wanted
    )


def resizes(pod: Object, seen: PodObservation, actual: Actual) -> list[Resize]:
    """What is under way for ``pod`` (with its allocation); those that give something back come first."""
    found = []
    for container in _resizable(pod):
        status = seen.latest(container.name)
        if status is None or status.state is not ContainerState.RUNNING:
            continue
        before = actual.get((container.name, status.attempt))
        names = differences(_own(container.spec), before) if before is not None else set()
        if before is not None and names:
            found.append(Resize(container, status, before, _restarts(container, names)))
    return sorted(found, key=lambda one: one.lowers_memory_to is None)


def differences(one: Requirements, other: Requirements) -> set[str]:
    """The resizable resources whose request or limit differs."""
    return {
        name
        for kind in ("requests", "limits")
        for name in RESIZABLE
        if _amount(one, kind, name) != _amount(other, kind, name)
    }


def adopted_actual(status: Object, seen: PodObservation) -> dict[tuple[str, int], Requirements]:
    """What running containers are held to, as far as the published ``status`` tells."""
    found = {}
    for entry in _entries(status):
        latest = seen.latest(entry["name"])
        if latest is not None and entry.get("containerID", "").endswith(latest.id) and "resources" in entry:
            found[entry["name"], latest.attempt] = entry["resources"] or {}
    return found


def adopted_allocation(pod: Object, status: Object) -> dict[str, Requirements]:
    """What an agent before this one had agreed to: the wish, unless it is still pending."""
    wanted = allocation_of(pod)
    if find_condition(status.get("conditions"), PENDING) is None:
        return wanted
    known = {entry["name"]: entry["resources"] for entry in _entries(status) if entry.get("resources")}
    return {name: known.get(name, requirements) for name, requirements in wanted.items()}


def resize_conditions(pod: Object, seen: PodObservation, facts: ResizeFacts) -> list[dict[str, Any]]:
    """PodResizePending and PodResizeInProgress, without times, where they apply."""
    found = []
    if facts.deferred:
        found.append({"type": PENDING, "status": "True", "reason": "Deferred", "message": facts.deferred})
    if resizes(pod, seen, facts.actual):
        reason = {"reason": "Error", "message": facts.error} if facts.error else {}
        found.append({"type": IN_PROGRESS, "status": "True", **reason})
    return found


def summary(pod: Object, generation: int | None, error: str = "") -> str:
    """The resources asked for, as the kubelet's events about resizes tell them."""
    told: dict[str, Any] = {
        group: [{"name": one["name"], "resources": _own(one)} for one in spec_of(pod)[group]]
        for group in ("initContainers", "containers")
        if spec_of(pod).get(group)
    }
    told |= {"generation": generation or 0} | ({"error": error} if error else {})
    return json.dumps(told, separators=(",", ":"))


def _resizable(pod: Object) -> list[Container]:
    return [*init_containers(pod), *app_containers(pod)]


def _own(spec: Mapping[str, Any]) -> Requirements:
    return spec.get("resources") or {}


def _restarts(container: Container, names: Iterable[str]) -> bool:
    policies = {one["resourceName"]: one["restartPolicy"] for one in container.spec.get("resizePolicy") or ()}
    return any(policies.get(name) == "RestartContainer" for name in names)


def _entries(status: Object) -> list[dict[str, Any]]:
    return [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]


def _amount(resources: Requirements, kind: str, name: str) -> Any:
    text = (resources.get(kind) or {}).get(name)
    return None if text is None else parse_quantity(str(text))
