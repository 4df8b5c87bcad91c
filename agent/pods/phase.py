"""The pod's phase from its container statuses. Pure; the rules are the kubelet's (``kubelet_pods.go``, getPhase)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from agent.pods.model import Container, Role, app_containers, exit_restarts, init_containers, is_static
from minikube_py.api.types import Object

Statuses = dict[str, dict[str, Any]]


def compute_phase(pod: Object, statuses: Iterable[dict[str, Any]], *, terminal: bool, initialized: bool) -> str:
    """Pending, Running, Succeeded or Failed.

    ``terminal`` says that nothing of the pod will run again; ``initialized`` that a main container has been started.
    """
    by_name = {status["name"]: status for status in statuses}
    init = _count_init(pod, by_name)
    if init["failed for good"]:
        return "Failed"
    count = _count_sidecars(pod, by_name) + _count_apps(pod, by_name)
    pending = init["pending"] or (count["pending sidecar"] and not initialized)
    if pending or count["waiting"]:
        return "Pending"
    if count["unknown"]:
        return "Pending"
    if count["running"]:
        return "Running"
    return _stopped_phase(pod, count, terminal=terminal) if count["stopped"] else "Pending"


def _stopped_phase(pod: Object, count: Counter[str], *, terminal: bool) -> str:
    finished = count["stopped"] == count["for good"] or (terminal and not is_static(pod))
    if not finished:
        return "Running"
    return "Succeeded" if count["stopped"] == count["succeeded"] else "Failed"


def _ended(status: dict[str, Any]) -> dict[str, Any] | None:
    """The termination a stopped container shows: now, or (while it waits to come back) the last one."""
    state = status.get("state") or {}
    if state.get("waiting") is not None:
        return (status.get("lastState") or {}).get("terminated")
    return state.get("terminated")


def _is_running(status: dict[str, Any]) -> bool:
    return (status.get("state") or {}).get("running") is not None


def _is_waiting(status: dict[str, Any]) -> bool:
    return (status.get("state") or {}).get("waiting") is not None


def _count_init(pod: Object, statuses: Statuses) -> Counter[str]:
    count: Counter[str] = Counter()
    for container in init_containers(pod):
        if container.role is not Role.INIT:
            continue
        status = statuses.get(container.name)
        ended = _ended(status) if status else None
        if ended is None:
            count["pending"] += 1
        elif ended["exitCode"] != 0 and not _init_may_retry(container, pod, ended["exitCode"]):
            count["failed for good"] += 1
        elif ended["exitCode"] != 0:
            count["pending"] += 1
    return count


def _init_may_retry(container: Container, pod: Object, exit_code: int) -> bool:
    return exit_restarts(container, pod, exit_code)


def _count_sidecars(pod: Object, statuses: Statuses) -> Counter[str]:
    count: Counter[str] = Counter()
    for container in init_containers(pod):
        if container.role is not Role.SIDECAR:
            continue
        status = statuses.get(container.name)
        if status is None:
            count["unknown"] += 1
        elif _is_running(status):
            count["running"] += 1
            count["pending sidecar"] += not status.get("started")
        elif _is_waiting(status) and _ended(status) is None:
            count["pending sidecar"] += 1
            count["waiting"] += 1
    return count


def _count_apps(pod: Object, statuses: Statuses) -> Counter[str]:
    count: Counter[str] = Counter()
    for container in app_containers(pod):
        status = statuses.get(container.name)
        if status is None:
            count["unknown"] += 1
        elif _is_running(status):
            count["running"] += 1
        elif (ended := _ended(status)) is None:
            count["waiting"] += 1
        else:
            count["stopped"] += 1
            count["for good"] += not exit_restarts(container, pod, ended["exitCode"])
            # A container that waits to come back has not succeeded, whatever its last exit was.
            count["succeeded"] += ended["exitCode"] == 0 and not _is_waiting(status)
    return count
