"""How many replicas each ReplicaSet of a Deployment gets next. Pure: names to numbers.

The steps are those of kubernetes/kubernetes pkg/controller/deployment: ``rolling.go``, ``recreate.go`` and ``scale`` in
``sync.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api.meta import name_of
from minikube_py.api.types import Object
from minikube_py.controllers.deployment import views
from minikube_py.controllers.deployment.views import replicas_of, status_of

#: The replicas that ReplicaSets should get, by name; only those that change.
Sizes = dict[str, int]


def rolling(deployment: Object, new: Object, old: Sequence[Object]) -> Sizes:
    """The next step of a rolling update: first let the new one grow; where it cannot, make room among the old."""
    grown = new_size(deployment, new, [*old, new])
    if grown != replicas_of(new):
        return {name_of(new): grown}
    return shrink_old(deployment, new, old)


def new_size(deployment: Object, new: Object, everything: Sequence[Object]) -> int:
    """How far the new ReplicaSet may grow within maxSurge; it shrinks at once."""
    wanted, has = replicas_of(deployment), replicas_of(new)
    if has >= wanted or not views.is_rolling(deployment):
        return wanted
    room = wanted + views.max_surge(deployment) - views.total_spec(everything)
    return has + min(room, wanted - has) if room > 0 else has


def shrink_old(deployment: Object, new: Object, old: Sequence[Object]) -> Sizes:
    """Which old replicas can go without leaving fewer than minAvailable: the unhealthy first, then the oldest."""
    least = replicas_of(deployment) - views.max_unavailable(deployment)
    missing_new = replicas_of(new) - int(status_of(new).get("availableReplicas") or 0)
    spare = views.total_spec([*old, new]) - least - missing_new
    if spare <= 0 or not views.active(old):
        return {}
    sizes = _drop_unhealthy(old, spare)
    available = views.total([*old, new], "availableReplicas")
    _drop_oldest(old, available - least, sizes)
    return {name: size for name, size in sizes.items() if size != _size(old, name)}


def recreate(deployment: Object, new: Object | None, old: Sequence[Object], *, old_pods_run: bool) -> Sizes:
    """All old replicas go; only when their pods are gone does the new one start."""
    shrinking = {name_of(rs): 0 for rs in views.active(old)}
    if shrinking or old_pods_run or new is None:
        return shrinking
    wanted = replicas_of(deployment)
    return {name_of(new): wanted} if replicas_of(new) != wanted else {}


def resize(deployment: Object, new: Object | None, old: Sequence[Object]) -> Sizes:
    """Spread a change of ``spec.replicas`` in the middle of a rollout, or while paused, over what runs."""
    only = _only_active(new, old)
    wanted = replicas_of(deployment)
    if only is not None:
        return {name_of(only): wanted} if replicas_of(only) != wanted else {}
    if views.is_saturated(deployment, new):
        return {name_of(rs): 0 for rs in views.active(old)}
    if not views.is_rolling(deployment):
        return {}
    running = views.active([*old, *([new] if new is not None else [])])
    allowed = wanted + views.max_surge(deployment) if wanted else 0
    return _proportionally(deployment, running, allowed - views.total_spec(running))


def _only_active(new: Object | None, old: Sequence[Object]) -> Object | None:
    running = views.active([*old, *([new] if new is not None else [])])
    if len(running) == 1:
        return running[0]
    if running:
        return None
    return new if new is not None else next(iter(reversed(views.by_age(old))), None)


def _proportionally(deployment: Object, running: Sequence[Object], difference: int) -> Sizes:
    """Large ReplicaSets take the larger part; what rounding leaves goes to the largest."""
    growing = difference > 0
    oldest = {name_of(rs): index for index, rs in enumerate(views.by_age(running))}
    sign = -1 if growing else 1
    ordered = sorted(running, key=lambda rs: (-replicas_of(rs), sign * oldest[name_of(rs)]))
    sizes: Sizes = {}
    added = 0
    for rs in ordered:
        part = _fraction(deployment, rs, difference, added) if difference else 0
        sizes[name_of(rs)] = replicas_of(rs) + part
        added += part
    if ordered and difference:
        largest = name_of(ordered[0])
        sizes[largest] = max(sizes[largest] + difference - added, 0)
    return {name: size for name, size in sizes.items() if size != _size(running, name)}


def _fraction(deployment: Object, rs: Object, difference: int, added: int) -> int:
    if not replicas_of(rs):
        return 0
    part, allowed = _share(deployment, rs), difference - added
    return min(part, allowed) if difference > 0 else max(part, allowed)


def _share(deployment: Object, rs: Object) -> int:
    """How much the ReplicaSet would grow if it kept its part of the whole."""
    if not replicas_of(deployment):
        return -replicas_of(rs)
    after = replicas_of(deployment) + views.max_surge(deployment)
    before = views.annotation_number(rs, views.MAX_REPLICAS) or int(status_of(deployment).get("replicas") or 0)
    return round(replicas_of(rs) * after / before) - replicas_of(rs) if before else 0


def _drop_unhealthy(old: Sequence[Object], spare: int) -> Sizes:
    sizes: Sizes = {}
    for rs in views.by_age(old):
        size = replicas_of(rs)
        unhealthy = size - int(status_of(rs).get("availableReplicas") or 0)
        dropped = max(min(spare, unhealthy), 0) if size else 0
        sizes[name_of(rs)] = size - dropped
        spare -= dropped
    return sizes


def _drop_oldest(old: Sequence[Object], surplus: int, sizes: Sizes) -> None:
    for rs in views.by_age(old):
        dropped = max(min(surplus, sizes[name_of(rs)]), 0)
        sizes[name_of(rs)] -= dropped
        surplus -= dropped


def _size(replica_sets: Sequence[Object], name: str) -> int:
    return next(replicas_of(rs) for rs in replica_sets if name_of(rs) == name)
