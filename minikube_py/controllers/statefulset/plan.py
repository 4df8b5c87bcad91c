"""The next thing a StatefulSet does. Pure.

The order is that of kubernetes/kubernetes pkg/controller/statefulset (``updateStatefulSet``): replace what has failed,
bring up from the lowest number, take down surplus from the highest, then update from the highest. An ordered set does
one thing and waits for it to be available; a parallel one does not wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from minikube_py.api.meta import is_deleting, metadata
from minikube_py.api.types import Object
from minikube_py.controllers.conditions import compact
from minikube_py.controllers.intstr import scaled
from minikube_py.controllers.podstate import count, has_ended, is_available, is_ready
from minikube_py.controllers.statefulset.identity import (
    is_parallel,
    ordinal_of,
    ordinals_of,
    replicas_of,
    revision_of_pod,
    spec_of,
)


@dataclass(frozen=True, slots=True)
class Revisions:
    """Names of the revision that is being left and of the one that is being reached."""

    current: str
    update: str


@dataclass(slots=True)
class Actions:
    """Ordinals to create (with their revision's name), pods to delete, in order."""

    create: list[tuple[int, str]] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    condemned: list[Object] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.create or self.delete)


def plan_actions(sts: Object, pods: Sequence[Object], revisions: Revisions, now: datetime) -> Actions:
    """What to do now. Nothing for a set that is being deleted."""
    wanted = ordinals_of(sts)
    by_ordinal = {ordinal: pod for pod in pods if (ordinal := ordinal_of(sts, pod)) is not None}
    condemned = [by_ordinal[ordinal] for ordinal in sorted(by_ordinal, reverse=True) if ordinal not in wanted]
    actions = Actions(condemned=condemned)
    if is_deleting(sts):
        return actions
    replicas = {ordinal: by_ordinal.get(ordinal) for ordinal in wanted}
    if _bring_up(sts, replicas, revisions, actions, now) or _take_down(sts, replicas, actions, now):
        return actions
    _update(sts, replicas, revisions, actions, now)
    return actions


def plan_status(sts: Object, pods: Sequence[Object], revisions: Revisions, now: datetime, collisions: int) -> Object:
    """The status these pods amount to. The update is complete when no pod of another revision is left."""
    minimum = int(spec_of(sts).get("minReadySeconds") or 0)
    ours = [pod for pod in pods if ordinal_of(sts, pod) is not None]
    alive = [pod for pod in ours if not is_deleting(pod)]
    updated = count(alive, lambda pod: revision_of_pod(pod) == revisions.update)
    current = count(alive, lambda pod: revision_of_pod(pod) == revisions.current)
    ready = count(ours, is_ready)
    done = updated == len(ours) == ready == replicas_of(sts) and _is_rolling(sts)
    return compact(
        {
            "observedGeneration": metadata(sts).get("generation"),
            "replicas": len(ours),
            "readyReplicas": ready,
            "availableReplicas": count(ours, lambda pod: is_available(pod, minimum, now)),
            "currentReplicas": updated if done else current,
            "updatedReplicas": updated,
            "currentRevision": revisions.update if done else revisions.current,
            "updateRevision": revisions.update,
            "collisionCount": collisions,
            "conditions": (sts.get("status") or {}).get("conditions"),
        },
        keep=("replicas", "availableReplicas", "collisionCount"),
    )


def _bring_up(
    sts: Object, replicas: Mapping[int, Object | None], revisions: Revisions, actions: Actions, now: datetime
) -> bool:
    """From the lowest number: make what is missing, replace what has ended. True where an ordered set has to wait."""
    for ordinal, pod in replicas.items():
        if pod is None:
            actions.create.append((ordinal, _revision_for(sts, ordinal, revisions)))
        elif has_ended(pod) and not is_deleting(pod):
            actions.delete.append(pod)
        elif not is_deleting(pod) and _is_up(sts, pod, now):
            continue
        if not is_parallel(sts):
            return True
    return False


def _take_down(sts: Object, replicas: Mapping[int, Object | None], actions: Actions, now: datetime) -> bool:
    """From the highest number; an ordered set removes one at a time, and waits until it is gone.

    An ordered set whose lower pods are not well does not remove one that is not well either: ``processCondemned``.
    """
    if not actions.condemned:
        return False
    if is_parallel(sts):
        actions.delete += [pod for pod in actions.condemned if not is_deleting(pod)]
        return False
    first = actions.condemned[0]
    lower = [*(pod for pod in replicas.values() if pod is not None), *reversed(actions.condemned)]
    unwell = next((pod for pod in lower if not _is_up(sts, pod, now)), None)
    if not is_deleting(first) and (unwell is first or _is_up(sts, first, now)):
        actions.delete.append(first)
    return True


def _update(
    sts: Object, replicas: Mapping[int, Object | None], revisions: Revisions, actions: Actions, now: datetime
) -> None:
    """From the highest number down to the partition: delete what is of another revision, at most maxUnavailable out."""
    if not _is_rolling(sts):
        return
    rolling = (spec_of(sts).get("updateStrategy") or {}).get("rollingUpdate") or {}
    budget = max(scaled(rolling.get("maxUnavailable", 1), replicas_of(sts), round_up=False), 1)
    partition = int(rolling.get("partition") or 0)
    out = sum(1 for pod in replicas.values() if pod is None or is_deleting(pod) or not _is_up(sts, pod, now))
    for ordinal in sorted(replicas, reverse=True):
        pod = replicas[ordinal]
        if ordinal < partition:
            return
        if pod is None or is_deleting(pod):
            continue
        if revision_of_pod(pod) != revisions.update:
            if out >= budget and _is_up(sts, pod, now):
                return
            actions.delete.append(pod)
            out += 1 if _is_up(sts, pod, now) else 0
        if out >= budget and not is_parallel(sts):
            return


def _is_up(sts: Object, pod: Object, now: datetime) -> bool:
    return is_available(pod, int(spec_of(sts).get("minReadySeconds") or 0), now)


def _is_rolling(sts: Object) -> bool:
    kind: str = (spec_of(sts).get("updateStrategy") or {}).get("type", "RollingUpdate")
    return kind == "RollingUpdate"


def _revision_for(sts: Object, ordinal: int, revisions: Revisions) -> str:
    """A pod below the partition is made again as it was; everything is new where there is no update to protect."""
    if not _is_rolling(sts):
        return revisions.update
    rolling = (spec_of(sts).get("updateStrategy") or {}).get("rollingUpdate") or {}
    partition = rolling.get("partition")
    first = ordinals_of(sts).start
    if partition is None:
        kept = int((sts.get("status") or {}).get("currentReplicas") or 0)
        return revisions.current if ordinal < first + kept else revisions.update
    return revisions.current if ordinal < first + int(partition) else revisions.update
