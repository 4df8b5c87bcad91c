"""The pod's quality-of-service class, from its requests and limits. Pure."""

from __future__ import annotations

from agent.pods.model import app_containers, init_containers, spec_of
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.types import Object

_COUNTED = ("cpu", "memory")


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


def _positive(amounts: dict[str, str] | None) -> dict[str, object]:
    parsed = {name: parse_quantity(text) for name, text in (amounts or {}).items() if name in _COUNTED}
    return {name: amount for name, amount in parsed.items() if amount > 0}
