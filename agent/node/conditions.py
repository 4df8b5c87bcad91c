"""The node's conditions. Pure; reasons and messages are the kubelet's (``nodestatus/setters.go``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from minikube_py.api.meta import format_time

#: The kubelet's default hard eviction thresholds.
MEMORY_THRESHOLD_BYTES = 100 * 1024 * 1024
DISK_THRESHOLD = 0.10
INODE_THRESHOLD = 0.05


@dataclass(frozen=True, slots=True)
class Health:
    """What the conditions are about. ``runtime_fault`` is "" while the container runtime answers."""

    available_memory: int
    disk_free: float
    inodes_free: float
    runtime_fault: str = ""


#: For each pressure: status, reason and message without it and with it.
_PRESSURES = {
    "MemoryPressure": (
        ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}


def node_conditions(health: Health, previous: Iterable[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """MemoryPressure, DiskPressure, PIDPressure and Ready, with their transition times kept."""
    disk = health.disk_free < DISK_THRESHOLD or health.inodes_free < INODE_THRESHOLD
    pressed = {"MemoryPressure": health.available_memory < MEMORY_THRESHOLD_BYTES, "DiskPressure": disk}
    wanted = [_condition(kind, *words[pressed.get(kind, False)]) for kind, words in _PRESSURES.items()]
    wanted.append(_ready(health.runtime_fault))
    old = {condition["type"]: condition for condition in previous}
    return [_dated(condition, old.get(condition["type"]), now) for condition in wanted]


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _ready(fault: str) -> dict[str, Any]:
    if fault:
        return _condition("Ready", "False", "KubeletNotReady", fault)
    return _condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")


def _dated(condition: dict[str, Any], old: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    same = old is not None and old.get("status") == condition["status"]
    since = old.get("lastTransitionTime") if same and old is not None else None
    return condition | {"lastHeartbeatTime": format_time(now), "lastTransitionTime": since or format_time(now)}
