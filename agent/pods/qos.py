"""The pod's quality-of-service class, from its requests and limits, and what follows from it. Pure."""

from __future__ import annotations

from agent.pods.model import Container, Role, app_containers, init_containers, spec_of
from minikube_py.api.podresources import amounts
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.types import Object

_COUNTED = ("cpu", "memory")
_GUARANTEED_SCORE = -997
_BEST_EFFORT_SCORE = 1000


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort, as the pod QoS documentation defines them.

    Pod-level resources (KEP-2837) decide alone where they are set.
    """
    own = spec_of(pod).get("resources")
    every = [own] if own else [one.spec.get("resources") or {} for one in (*init_containers(pod), *app_containers(pod))]
    requests = [_positive(resources.get("requests")) for resources in every]
    limits = [_positive(resources.get("limits")) for resources in every]
    if not any(requests) and not any(limits):
        return "BestEffort"
    guaranteed = all(
        set(limit) == set(_COUNTED) and all(request.get(name, limit[name]) == limit[name] for name in _COUNTED)
        for request, limit in zip(requests, limits, strict=True)
    )
    return "Guaranteed" if guaranteed else "Burstable"


def oom_score_adj(pod: Object, container: Container, memory_capacity: int) -> int:
    """How soon the kernel kills the container for want of memory: the sooner, the less it asked for.

    The formula is ``pkg/kubelet/qos/policy.go``'s; a sidecar is never killed before the containers it serves.
    """
    kind = qos_class(pod)
    if spec_of(pod).get("priorityClassName") == "system-node-critical" or kind == "Guaranteed":
        return _GUARANTEED_SCORE
    if kind == "BestEffort" or memory_capacity <= 0:
        return _BEST_EFFORT_SCORE
    extra = _unclaimed_share(pod)
    asked = _memory_request(container) + extra
    if container.role is Role.SIDECAR:
        asked = max(asked, min(_memory_request(one) for one in app_containers(pod)) + extra)
    score = 1000 - 1000 * asked // memory_capacity
    return min(max(score, 1000 + _GUARANTEED_SCORE), _BEST_EFFORT_SCORE - 1)


def _memory_request(container: Container) -> int:
    return amounts((container.spec.get("resources") or {}).get("requests")).get("memory", 0)


def _unclaimed_share(pod: Object) -> int:
    """What a pod-level request (KEP-2837) leaves over beyond its containers' requests, for each of them."""
    own = amounts((spec_of(pod).get("resources") or {}).get("requests")).get("memory", 0)
    sidecars = [one for one in init_containers(pod) if one.role is Role.SIDECAR]
    counted = [*app_containers(pod), *sidecars]
    return max(0, own - sum(_memory_request(one) for one in counted)) // max(1, len(counted)) if own else 0


def _positive(amounts: dict[str, str] | None) -> dict[str, object]:
    parsed = {name: parse_quantity(text) for name, text in (amounts or {}).items() if name in _COUNTED}
    return {name: amount for name, amount in parsed.items() if amount > 0}
