"""The pod conditions that the node owns. Pure; wording and order are the kubelet's (``status/generate.go``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.pods.model import Container, Role, app_containers, init_containers, spec_of
from agent.pods.resize import IN_PROGRESS, PENDING
from minikube_py.api.meta import find_condition, format_time, metadata
from minikube_py.api.types import Object

Condition = dict[str, Any]

#: Conditions of this list are written here and nowhere else; all others are somebody else's and are kept.
OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", PENDING, IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class ConditionInput:
    """What the conditions are computed from."""

    pod: Object
    statuses: list[dict[str, Any]]
    phase: str
    sandbox_ready: bool
    foreign: list[Condition]
    resize: Iterable[Condition] = ()


def pod_conditions(given: ConditionInput, previous: Iterable[Condition], now: datetime) -> list[Condition]:
    """Every condition of the pod. A transition time changes only with the status."""
    containers_ready = _containers_ready(given)
    owned = [
        _condition("PodReadyToStartContainers", given.sandbox_ready),
        _initialized(given),
        _ready(given, containers_ready),
        containers_ready,
        _condition("PodScheduled", True),
    ]
    owned += given.resize
    generation = metadata(given.pod).get("generation")
    old = {condition["type"]: condition for condition in previous}
    return [*given.foreign, *(_dated(condition, old.get(condition["type"]), generation, now) for condition in owned)]


def foreign_conditions(pod: Object) -> list[Condition]:
    """The conditions that others own (readiness gates, DisruptionTarget), as the API server has them."""
    found = (pod.get("status") or {}).get("conditions") or []
    return [condition for condition in found if condition.get("type") not in OWNED]


def _dated(condition: Condition, old: Condition | None, generation: int | None, now: datetime) -> Condition:
    unchanged = old is not None and old.get("status") == condition["status"]
    since = old.get("lastTransitionTime") if unchanged and old is not None else None
    dated: Condition = {"type": condition["type"], "status": condition["status"]}
    dated["lastTransitionTime"] = since or format_time(now)
    if generation:
        dated["observedGeneration"] = generation
    dated.update({key: condition[key] for key in ("reason", "message") if condition.get(key)})
    return dated


def _condition(kind: str, true: bool, reason: str = "", message: str = "") -> Condition:
    return {"type": kind, "status": "True" if true else "False", "reason": reason, "message": message}


def _go_list(names: list[str]) -> str:
    return f"[{' '.join(names)}]"


def _join(unknown: list[str], others: list[str], word: str) -> str:
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {_go_list(unknown)}")
    if others:
        parts.append(f"containers with {word} status: {_go_list(others)}")
    return ", ".join(parts)


def _by_name(statuses: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {status["name"]: status for status in statuses}


def _containers_ready(given: ConditionInput) -> Condition:
    statuses = _by_name(given.statuses)
    counted: list[Container] = [one for one in init_containers(given.pod) if one.role is Role.SIDECAR]
    counted += app_containers(given.pod)
    unknown = [one.name for one in counted if one.name not in statuses]
    unready = [one.name for one in counted if one.name in statuses and not statuses[one.name].get("ready")]
    if given.phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    if given.phase == "Succeeded" and not unknown:
        return _condition("ContainersReady", False, "PodCompleted")
    message = _join(unknown, unready, "unready")
    return _condition("ContainersReady", not message, "ContainersNotReady" if message else "", message)


def _ready(given: ConditionInput, containers_ready: Condition) -> Condition:
    if containers_ready["status"] != "True":
        return containers_ready | {"type": "Ready"}
    problems = []
    for gate in spec_of(given.pod).get("readinessGates") or ():
        kind = gate["conditionType"]
        condition = find_condition(given.foreign, kind)
        if condition is None:
            problems.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif condition.get("status") != "True":
            text = f'the status of pod readiness gate "{kind}" is not "True", but {condition.get("status")}'
            problems.append(text)
    reason = "ReadinessGatesNotReady" if problems else ""
    return _condition("Ready", not problems, reason, ", ".join(problems))


def _initialized(given: ConditionInput) -> Condition:
    statuses = _by_name(given.statuses)
    containers = init_containers(given.pod)
    unknown = [one.name for one in containers if one.name not in statuses]
    if given.phase == "Succeeded" and not unknown:
        return _condition("Initialized", True, "PodCompleted")
    if any(_has_started(statuses.get(one.name)) for one in app_containers(given.pod)):
        return _condition("Initialized", True)
    incomplete = [one.name for one in containers if one.name in statuses and not _is_done(one, statuses[one.name])]
    message = _join(unknown, incomplete, "incomplete")
    return _condition("Initialized", not message, "ContainersNotInitialized" if message else "", message)


def _is_done(container: Container, status: dict[str, Any]) -> bool:
    return bool(status.get("started") if container.role is Role.SIDECAR else status.get("ready"))


def _has_started(status: dict[str, Any] | None) -> bool:
    if status is None:
        return False
    state = status.get("state") or {}
    return bool(
        state.get("running") is not None
        or state.get("terminated") is not None
        or (status.get("lastState") or {}).get("terminated") is not None
    )
