"""How much a pod asks for: the arithmetic over containers, init containers, sidecars, pod level and overhead.

Scheduler, quota and the node's admission must get the same sum; the formula is KEP-753's and KEP-2837's as
k8s.io/component-helpers/resource computes it. Amounts are whole numbers: ``cpu`` in millicores, the rest in units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minikube_py.api.meta import find_condition
from minikube_py.api.quantity import bytes_of, cpu_millis
from minikube_py.api.types import Object

#: Resource name to amount: millicores of cpu, bytes of memory, counts of the rest.
Amounts = dict[str, int]

#: What a container that asks for nothing is taken to use when nodes are compared (never when they are filtered).
ASSUMED_CPU_MILLIS = 100
ASSUMED_MEMORY_BYTES = 200 * 1024 * 1024

_POD_LEVEL = ("cpu", "memory")


def amounts(resource_list: Mapping[str, Any] | None) -> Amounts:
    """A ``ResourceList`` as whole numbers, fractions rounded up. Raises ValueError for what is no quantity."""
    return {
        name: cpu_millis(quantity) if name == "cpu" else bytes_of(quantity)
        for name, quantity in (resource_list or {}).items()
    }


def pod_requests(pod: Object, *, assume_minimum: bool = False) -> Amounts:
    """What the pod asks of a node, overhead included. ``assume_minimum`` gives silent containers a small default."""
    return _pod_total(pod, "requests", assume_minimum=assume_minimum)


def pod_limits(pod: Object) -> Amounts:
    """The pod's limits; overhead is added only to resources that have one."""
    total = _pod_total(pod, "limits", assume_minimum=False, overhead=False)
    for name, amount in amounts((pod.get("spec") or {}).get("overhead")).items():
        if total.get(name):
            total[name] += amount
    return total


def _pod_total(pod: Object, kind: str, *, assume_minimum: bool, overhead: bool = True) -> Amounts:
    spec = pod.get("spec") or {}
    statuses = _resized(pod) if kind == "requests" else {}
    total = _containers_total(spec, kind, statuses, assume_minimum=assume_minimum)
    for name, amount in amounts((spec.get("resources") or {}).get(kind)).items():
        if name in _POD_LEVEL or name.startswith("hugepages-"):
            total[name] = amount
    if overhead:
        _add(total, amounts(spec.get("overhead")))
    return total


def _containers_total(spec: Object, kind: str, statuses: Mapping[str, Object], *, assume_minimum: bool) -> Amounts:
    def needs(container: Object) -> Amounts:
        found = amounts((container.get("resources") or {}).get(kind))
        status = statuses.get(str(container.get("name")))
        if status is not None:
            _raise_to(found, amounts(status.get("allocatedResources")))
            _raise_to(found, amounts((status.get("resources") or {}).get(kind)))
        if assume_minimum:
            found.setdefault("cpu", ASSUMED_CPU_MILLIS)
            found.setdefault("memory", ASSUMED_MEMORY_BYTES)
        return found

    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, needs(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        need = needs(container)
        if container.get("restartPolicy") == "Always":
            _add(total, need)
            _add(sidecars, need)
            _raise_to(peak, sidecars)
        else:
            _add(need, sidecars)
            _raise_to(peak, need)
    _raise_to(total, peak)
    return total


def _resized(pod: Object) -> dict[str, Object]:
    """Container statuses that may hold more than the spec asks while a resize is under way; {} when it cannot be."""
    status = pod.get("status") or {}
    pending = find_condition(status.get("conditions"), "PodResizePending")
    if pending is not None and pending.get("reason") == "Infeasible":
        return {}
    listed: Iterable[Object] = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return {str(entry.get("name")): entry for entry in listed if entry.get("allocatedResources")}


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: Amounts, floor: Mapping[str, int]) -> None:
    for name, amount in floor.items():
        if amount > total.get(name, -1):
            total[name] = amount
