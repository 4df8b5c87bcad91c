"""Numbers and names that the Deployment's plans read off its objects.

Annotations and formulas: kubernetes/kubernetes pkg/controller/deployment/util.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from minikube_py.api.meta import annotations_of, is_deleting, metadata, name_of
from minikube_py.api.types import Object
from minikube_py.controllers.hashing import object_hash
from minikube_py.controllers.intstr import scaled

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: Annotations of a Deployment that are not for its ReplicaSets, and the reverse.
OWN_ANNOTATIONS = frozenset({_LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS})


def spec_of(obj: Object) -> Object:
    return obj.get("spec") or {}


def status_of(obj: Object) -> Object:
    return obj.get("status") or {}


def replicas_of(obj: Object) -> int:
    """spec.replicas, 1 where it is not set."""
    value = spec_of(obj).get("replicas")
    return 1 if value is None else int(value)


def total(replica_sets: Iterable[Object], field: str) -> int:
    """The sum of a status number."""
    return sum(int(status_of(rs).get(field) or 0) for rs in replica_sets)


def total_spec(replica_sets: Iterable[Object]) -> int:
    """The sum of the wanted replicas."""
    return sum(replicas_of(rs) for rs in replica_sets)


def is_rolling(deployment: Object) -> bool:
    kind: str = (spec_of(deployment).get("strategy") or {}).get("type", "RollingUpdate")
    return kind == "RollingUpdate"


def fenceposts(deployment: Object) -> tuple[int, int]:
    """maxSurge (rounded up) and maxUnavailable (rounded down); both 0 would be a standstill, so one is unavailable."""
    rolling = (spec_of(deployment).get("strategy") or {}).get("rollingUpdate") or {}
    wanted = replicas_of(deployment)
    surge = scaled(rolling.get("maxSurge", "25%"), wanted, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), wanted, round_up=False)
    return surge, 1 if not surge and not unavailable else unavailable


def max_surge(deployment: Object) -> int:
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """How many replicas may be missing; never more than there are."""
    wanted = replicas_of(deployment)
    return min(fenceposts(deployment)[1], wanted) if is_rolling(deployment) and wanted else 0


def template_of(obj: Object) -> Object:
    return spec_of(obj).get("template") or {}


def same_template(one: Object, other: Object) -> bool:
    """Whether two pod templates are equal but for the hash label."""
    return bool(_without_hash(one) == _without_hash(other))


def template_hash(deployment: Object) -> str:
    """The value of ``pod-template-hash``; the collision count changes it when two templates meet on one."""
    return object_hash(template_of(deployment), status_of(deployment).get("collisionCount"))


def by_age(replica_sets: Iterable[Object]) -> list[Object]:
    """Oldest first; equal ages by name."""
    return sorted(replica_sets, key=lambda rs: (metadata(rs).get("creationTimestamp") or "", name_of(rs)))


def active(replica_sets: Iterable[Object]) -> list[Object]:
    """Those that want replicas."""
    return [rs for rs in replica_sets if replicas_of(rs) > 0]


def find_new(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The ReplicaSet of the Deployment's present template: the oldest, should a race have made two."""
    template = template_of(deployment)
    return next((rs for rs in by_age(replica_sets) if same_template(template_of(rs), template)), None)


def revision_of(obj: Object) -> int:
    """The rollout's number, 0 where there is none."""
    try:
        return int(annotations_of(obj).get(REVISION) or 0)
    except ValueError:
        return 0


def annotation_number(obj: Object, name: str) -> int | None:
    """An annotation as a number, None where absent or unreadable."""
    try:
        return int(annotations_of(obj)[name])
    except (KeyError, ValueError):
        return None


def is_saturated(deployment: Object, rs: Object | None) -> bool:
    """Whether the ReplicaSet alone has everything the Deployment wants, available."""
    if rs is None:
        return False
    wanted = replicas_of(deployment)
    return (
        replicas_of(rs) == wanted
        and annotation_number(rs, DESIRED_REPLICAS) == wanted
        and int(status_of(rs).get("availableReplicas") or 0) == wanted
    )


def is_disposable(rs: Object) -> bool:
    """Whether nothing of an old ReplicaSet runs any more."""
    status = status_of(rs)
    return (
        not int(status.get("replicas") or 0)
        and not replicas_of(rs)
        and int(metadata(rs).get("generation") or 0) <= int(status.get("observedGeneration") or 0)
        and not is_deleting(rs)
    )


def _without_hash(template: Object) -> Any:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH_LABEL}
    rest = {key: value for key, value in meta.items() if key not in ("labels", "creationTimestamp") and value}
    return {"spec": template.get("spec"), "labels": labels, "meta": rest}
