"""From a node's conditions and last sign of life to the conditions and taints it should have. Pure.

Semantics: kubernetes/kubernetes pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from minikube_py.api.meta import find_condition, format_time, metadata
from minikube_py.api.tolerations import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE
from minikube_py.api.types import Object

READY = "Ready"
_WATCHED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")
#: Condition type -> status -> taint key (effect NoSchedule).
_CONDITION_TAINTS: dict[str, dict[str, str]] = {
    READY: {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
}
_OWN_KEYS = frozenset({key for keys in _CONDITION_TAINTS.values() for key in keys.values()} | {UNSCHEDULABLE})

Taint = dict[str, Any]


def ready_status(node: Object) -> str:
    """The status of the Ready condition, "" where the node has never posted one."""
    condition = find_condition((node.get("status") or {}).get("conditions"), READY)
    return str((condition or {}).get("status") or "")


def silent_conditions(node: Object, now: datetime) -> list[Object]:
    """The conditions of a node from which nothing has been heard: nobody knows."""
    conditions = list((node.get("status") or {}).get("conditions") or ())
    for kind in _WATCHED:
        current = find_condition(conditions, kind)
        if current is not None and current.get("status") == "Unknown":
            continue
        conditions = [entry for entry in conditions if entry.get("type") != kind] + [
            _unknown(kind, current, metadata(node), now)
        ]
    return conditions


def planned_taints(node: Object, now: datetime, *, evict: bool) -> list[Taint]:
    """The node's taints: those of others, and ours as its conditions ask. ``evict`` allows NoExecute taints."""
    spec = node.get("spec") or {}
    current: list[Taint] = list(spec.get("taints") or ())
    wanted = _wanted(node, evict=evict)
    kept = [taint for taint in current if not _is_ours(taint) or _name(taint) in wanted]
    have = {_name(taint) for taint in kept}
    missing = [name for name in wanted if name not in have]
    return [*kept, *({"key": key, "effect": effect, "timeAdded": format_time(now)} for key, effect in missing)]


def pod_unready_conditions(pod: Object, now: datetime) -> list[Object] | None:
    """The conditions of a pod whose node is silent: not ready any more. None where it is not ready already."""
    conditions: Sequence[Object] = (pod.get("status") or {}).get("conditions") or ()
    ready = find_condition(conditions, READY)
    if ready is None or ready.get("status") == "False":
        return None
    changed = ready | {"status": "False", "lastTransitionTime": format_time(now)}
    return [changed if entry is ready else entry for entry in conditions]


def _unknown(kind: str, current: Object | None, meta: Object, now: datetime) -> Object:
    moment = format_time(now)
    if current is None:
        reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
        heartbeat = meta.get("creationTimestamp") or moment
    else:
        reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
        heartbeat = current.get("lastHeartbeatTime") or moment
    return {
        "type": kind,
        "status": "Unknown",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": heartbeat,
        "lastTransitionTime": moment,
    }


def _wanted(node: Object, *, evict: bool) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for condition in (node.get("status") or {}).get("conditions") or ():
        key = _CONDITION_TAINTS.get(str(condition.get("type")), {}).get(str(condition.get("status")))
        if key:
            found.append((key, NO_SCHEDULE))
    if (node.get("spec") or {}).get("unschedulable"):
        found.append((UNSCHEDULABLE, NO_SCHEDULE))
    key = _CONDITION_TAINTS[READY].get(ready_status(node))
    if key and (evict or _has(node, key, NO_EXECUTE)):
        found.append((key, NO_EXECUTE))
    return found


def being_emptied(node: Object) -> bool:
    """Whether the node has one of our NoExecute taints already."""
    return any(_has(node, key, NO_EXECUTE) for key in (NOT_READY, UNREACHABLE))


def _has(node: Object, key: str, effect: str) -> bool:
    return any(_name(taint) == (key, effect) for taint in (node.get("spec") or {}).get("taints") or ())


def _is_ours(taint: Taint) -> bool:
    if taint.get("effect") == NO_EXECUTE:
        return taint.get("key") in (NOT_READY, UNREACHABLE)
    return taint.get("effect") == NO_SCHEDULE and taint.get("key") in _OWN_KEYS


def _name(taint: Taint) -> tuple[str, str]:
    return str(taint.get("key")), str(taint.get("effect"))
