"""The whole status of a pod, and the smallest patch from one status to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.pods.conditions import OWNED, ConditionInput, foreign_conditions, pod_conditions
from agent.pods.container_status import StatusInput, container_statuses
from agent.pods.model import TERMINAL_PHASES, is_host_network, status_of
from agent.pods.phase import compute_phase
from agent.pods.plan import has_initialized
from agent.pods.qos import qos_class
from agent.pods.resize import resize_conditions
from minikube_py.api.meta import format_time, metadata
from minikube_py.api.types import Object


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """What the status needs beyond the containers. ``outcome`` overrides the phase (deadline, refusal, eviction)."""

    now: datetime
    host_ips: tuple[str, ...]
    pod_ips: tuple[str, ...] = ()
    terminal: bool = False
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A phase that was decided rather than computed, and why."""

    phase: str
    reason: str
    message: str


def generate_status(given: StatusInput, facts: StatusFacts) -> Object:
    """The status to publish. A pod never leaves a terminal phase."""
    previous, pod = given.previous, given.pod
    lists = container_statuses(given)
    counted = [*lists.get("containerStatuses", ()), *lists.get("initContainerStatuses", ())]
    phase, reason, message = _phase(given, facts, counted)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": pod_conditions(
            ConditionInput(pod, counted, phase, _sandbox_ready(given), foreign_conditions(pod), _resize(given, facts)),
            previous.get("conditions") or (),
            facts.now,
        ),
        "qosClass": qos_class(pod),
        "startTime": previous.get("startTime") or format_time(facts.now),
        **_addresses(pod, previous, facts),
        **lists,
    }
    status |= {key: value for key, value in (("reason", reason), ("message", message)) if value}
    generation = metadata(pod).get("generation")
    return status | ({"observedGeneration": generation} if generation else {})


def _resize(given: StatusInput, facts: StatusFacts) -> list[dict[str, Any]]:
    over = facts.terminal or facts.outcome is not None
    return [] if over else resize_conditions(given.pod, given.seen, given.resize)


def _sandbox_ready(given: StatusInput) -> bool:
    return given.seen.sandbox is not None


def _phase(given: StatusInput, facts: StatusFacts, counted: list[dict[str, Any]]) -> tuple[str, str, str]:
    published = status_of(given.pod)
    for earlier in (published, given.previous):
        if earlier.get("phase") in TERMINAL_PHASES:
            return earlier["phase"], earlier.get("reason") or "", earlier.get("message") or ""
    if facts.outcome is not None:
        return facts.outcome.phase, facts.outcome.reason, facts.outcome.message
    initialized = has_initialized(given.pod, given.seen)
    phase = compute_phase(given.pod, counted, terminal=facts.terminal, initialized=initialized)
    if facts.terminal and phase not in TERMINAL_PHASES:
        # Torn down before it could end by itself: upstream tells such a pod as failed.
        phase = "Failed"
    if phase == published.get("phase"):
        return phase, published.get("reason") or "", published.get("message") or ""
    return phase, "", ""


def _addresses(pod: Object, previous: Object, facts: StatusFacts) -> Object:
    ips = facts.host_ips if is_host_network(pod) else facts.pod_ips
    found: Object = {"hostIP": facts.host_ips[0], "hostIPs": [{"ip": ip} for ip in facts.host_ips]}
    if ips:
        found |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    elif previous.get("podIP") and facts.terminal:
        found |= {"podIP": previous["podIP"], "podIPs": previous.get("podIPs") or []}
    return found


#: The fields that the node writes; whatever else stands in a status belongs to others and is left alone.
_OWNED_FIELDS = (
    "phase", "reason", "message", "startTime", "qosClass", "observedGeneration", "hostIP", "hostIPs", "podIP", "podIPs",
    "initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses",
)  # fmt: skip
#: Lists of the status that a strategic merge would merge by key, and that the node replaces as a whole.
_MERGED_LISTS = ("podIPs", "hostIPs")


def status_patch(uid: str, old: Object, new: Object) -> Object | None:
    """The strategic-merge patch from ``old`` to ``new``, guarded by the uid; None where nothing differs.

    Conditions are patched one by one, so that those of others are never written back.
    """
    fields: dict[str, Any] = {}
    for key in _OWNED_FIELDS:
        if old.get(key) != new.get(key):
            fields[key] = _replacement(key, new.get(key))
    conditions = _condition_patch(old.get("conditions") or (), new.get("conditions") or ())
    if conditions:
        fields["conditions"] = conditions
    return {"metadata": {"uid": uid}, "status": fields} if fields else None


def _replacement(key: str, value: Any) -> Any:
    if key in _MERGED_LISTS and value is not None:
        return [{"$patch": "replace"}, *value]
    return value


def _condition_patch(old: Iterable[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    before = {condition["type"]: condition for condition in old}
    changed = []
    for condition in new:
        known = before.get(condition["type"])
        if known is not None and {k: v for k, v in known.items() if v is not None} == condition:
            continue
        gone = {key: None for key in (known or {}) if key not in condition}
        changed.append(gone | condition)
    over = (before.keys() & set(OWNED)) - {condition["type"] for condition in new}
    return [*changed, *({"$patch": "delete", "type": kind} for kind in sorted(over))]
