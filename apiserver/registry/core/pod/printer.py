"""How ``kubectl get pods`` shows a Pod: readiness, the most telling reason, restarts and when the last one was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apiserver.registry.checks import Fields
from apiserver.registry.table import AGE, NAME, NONE, Column, Table, age, since, wide
from minikube_py.api.meta import condition_is_true, name_of
from minikube_py.api.types import Object

_ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


@dataclass(slots=True)
class _Restarts:
    """A count, and when the last restarted container had ended (RFC 3339; "" if none)."""

    count: int = 0
    last: str = ""

    def add(self, status: Fields) -> None:
        self.count += status.get("restartCount") or 0
        ended = (status.get("lastState") or {}).get("terminated") or {}
        self.last = max(self.last, ended.get("finishedAt") or "")

    def text(self, now: datetime) -> str:
        if self.count and self.last:
            return f"{self.count} ({since(self.last, now)} ago)"
        return str(self.count)


@dataclass(slots=True)
class _Summary:
    reason: str
    ready: int = 0
    restarts: str = "0"


def _summarise(pod: Object, now: datetime) -> _Summary:
    status = pod.get("status") or {}
    summary = _Summary(status.get("reason") or status.get("phase") or "")
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in _conditions(status)):
        summary.reason = "SchedulingGated"
    initializing, restarts, sidecars = _init_containers(pod, status, summary)
    if not initializing or condition_is_true(_conditions(status), "Initialized"):
        restarts = sidecars
        _containers(status, summary, restarts)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif status.get("phase") not in _ENDED:
            summary.reason = "Terminating"
    summary.restarts = restarts.text(now)
    return summary


def _conditions(status: Fields) -> Iterable[Fields]:
    return status.get("conditions") or ()


def _init_containers(pod: Object, status: Fields, summary: _Summary) -> tuple[bool, _Restarts, _Restarts]:
    declared = (pod.get("spec") or {}).get("initContainers") or []
    sidecar_names = {c.get("name") for c in declared if c.get("restartPolicy") == "Always"}
    everything, sidecars = _Restarts(), _Restarts()
    for index, item in enumerate(status.get("initContainerStatuses") or ()):
        state, is_sidecar = item.get("state") or {}, item.get("name") in sidecar_names
        everything.add(item)
        if is_sidecar:
            sidecars.add(item)
        ended, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason")
        if ended is not None and not ended.get("exitCode"):
            continue
        if is_sidecar and item.get("started"):
            summary.ready += bool(item.get("ready"))
            continue
        if ended is not None:
            summary.reason = f"Init:{_end_reason(ended)}"
        elif waiting and waiting != "PodInitializing":
            summary.reason = f"Init:{waiting}"
        else:
            summary.reason = f"Init:{index}/{len(declared)}"
        return True, everything, sidecars
    return False, everything, sidecars


def _end_reason(ended: Fields) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode') or 0}"


def _containers(status: Fields, summary: _Summary, restarts: _Restarts) -> None:
    running, failure = False, ""
    for item in reversed(status.get("containerStatuses") or ()):
        restarts.add(item)
        state = item.get("state") or {}
        waiting, ended = (state.get("waiting") or {}).get("reason"), state.get("terminated")
        if waiting:
            summary.reason = waiting
        elif ended is not None:
            summary.reason = _end_reason(ended)
            if ended.get("exitCode"):
                failure = summary.reason
        elif item.get("ready") and state.get("running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed":
        if running and condition_is_true(_conditions(status), "Ready"):
            summary.reason = "Running"
        elif failure:
            summary.reason = failure
        elif running:
            summary.reason = "NotReady"


def _readiness_gates(pod: Object) -> str:
    gates = (pod.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return NONE
    conditions = (pod.get("status") or {}).get("conditions")
    passed = sum(condition_is_true(conditions, gate.get("conditionType", "")) for gate in gates)
    return f"{passed}/{len(gates)}"


def _cells(pod: Object, now: datetime) -> list[Any]:
    spec, status, summary = pod.get("spec") or {}, pod.get("status") or {}, _summarise(pod, now)
    sidecars = sum(c.get("restartPolicy") == "Always" for c in spec.get("initContainers") or ())
    addresses = status.get("podIPs") or ()
    return [
        name_of(pod),
        f"{summary.ready}/{len(spec.get('containers') or ()) + sidecars}",
        summary.reason,
        summary.restarts,
        age(pod, now),
        (addresses[0].get("ip") if addresses else "") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(pod),
    ]


def _row_conditions(pod: Object) -> list[dict[str, str]]:
    phase = (pod.get("status") or {}).get("phase")
    if phase not in _ENDED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]}]


TABLE = Table(
    (
        NAME,
        Column("Ready", description="How many of the pod's containers are ready, of how many."),
        Column("Status", description="The most telling state among the pod's containers."),
        Column("Restarts", description="How often containers were restarted, and how long ago the last time."),
        AGE,
        wide("IP", "The pod's first address."),
        wide("Node", "The node the pod is bound to."),
        wide("Nominated Node", "The node where room is being made for the pod."),
        wide("Readiness Gates", "How many of the pod's readiness gates are true, of how many."),
    ),
    _cells,
    _row_conditions,
)
