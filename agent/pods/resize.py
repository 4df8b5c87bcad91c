"""In-place resize (KEP-1287) as far as this node can: by restarting a container whose resizePolicy says so. Pure.

No runtime here changes the limits of a running container, so a resize that asks for that is answered with the condition
PodResizePending, reason Infeasible, and the status goes on telling the resources in force.
"""

from __future__ import annotations

from typing import Any

from agent.pods.model import app_containers, init_containers, status_of
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.types import Object

PENDING = "PodResizePending"
_RESIZABLE = ("cpu", "memory")


def restarts_for_resize(pod: Object, status: Object | None = None) -> frozenset[str]:
    """The containers to be replaced, so that they run with the resources that the spec asks for now."""
    return frozenset(name for name, in_place in _changed(pod, status or status_of(pod)).items() if not in_place)


def resize_condition(pod: Object, status: Object) -> dict[str, Any] | None:
    """The PodResizePending condition, without times, where a container would have to be changed while it runs."""
    waiting = sorted(name for name, in_place in _changed(pod, status).items() if in_place)
    if not waiting:
        return None
    message = f"this node cannot change the resources of a running container: {', '.join(waiting)}"
    return {"type": PENDING, "status": "True", "reason": "Infeasible", "message": message}


def _changed(pod: Object, status: Object) -> dict[str, bool]:
    """Running containers whose resources differ from the spec's, and whether the policy wants them changed in place."""
    entries = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    running = {entry["name"]: entry for entry in entries if (entry.get("state") or {}).get("running") is not None}
    found = {}
    for container in (*init_containers(pod), *app_containers(pod)):
        entry = running.get(container.name)
        if entry is None or "resources" not in entry:
            continue
        names = _differences(container.spec.get("resources") or {}, entry["resources"] or {})
        if names:
            policies = {one["resourceName"]: one["restartPolicy"] for one in container.spec.get("resizePolicy") or ()}
            found[container.name] = all(policies.get(name) != "RestartContainer" for name in names)
    return found


def _differences(wanted: dict[str, Any], actual: dict[str, Any]) -> set[str]:
    return {
        name
        for kind in ("requests", "limits")
        for name in _RESIZABLE
        if _amount(wanted, kind, name) != _amount(actual, kind, name)
    }


def _amount(resources: dict[str, Any], kind: str, name: str) -> object:
    text = (resources.get(kind) or {}).get(name)
    return None if text is None else parse_quantity(str(text))
