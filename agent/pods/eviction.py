"""Ends pods that write more to the node's disk than their limits allow (the kubelet's localStorageEviction).

Three limits count: ``sizeLimit`` of an emptyDir volume, ``ephemeral-storage`` of a container (what it wrote into its
root, and its logs), and the sum of those for the pod (with its volumes). Memory volumes have a size the kernel keeps.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.pods.model import Container, Role, app_containers, init_containers, spec_of
from agent.pods.observation import PodObservation
from agent.runtime.protocol import ContainerUsage, Runtime, RuntimeFault
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.podresources import pod_limits
from minikube_py.api.quantity import bytes_of
from minikube_py.api.types import Object

CHECK_SECONDS = 10.0
_STORAGE = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes by emptyDir volume and by container (its root and logs)."""

    volumes: Mapping[str, int] = field(default_factory=dict)
    containers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pod that may be too large: its volumes' directory, and what the runtime shows of it."""

    pod: Object
    volumes: Path
    seen: PodObservation
    evict: Callable[[str], None]


def has_limits(pod: Object) -> bool:
    """Whether anything of the pod's disk use is limited."""
    return bool(_size_limits(pod)) or _STORAGE in pod_limits(pod)


def excess(pod: Object, used: DiskUse) -> str | None:
    """Why the pod has to go, in the kubelet's words; None where it is within its limits."""
    for name, limit in _size_limits(pod).items():
        if used.volumes.get(name, 0) > bytes_of(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    total = pod_limits(pod).get(_STORAGE)
    if total is not None and sum(used.volumes.values()) + sum(used.containers.values()) > total:
        shown = _sole_limit(pod) or str(total)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "
    for container in _lasting(pod):
        own = _limit(container)
        if own and used.containers.get(container.name, 0) > bytes_of(own):
            return f'Container {container.name} exceeded its local ephemeral storage limit "{own}". '
    return None


class LocalStorageEviction:
    """Looks every ten seconds at the pods whose disk use is limited."""

    def __init__(self, *, runtime: Runtime, clock: Clock, candidates: Callable[[], Iterable[Candidate]]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._candidates = candidates
        self._tasks = TaskSet("eviction")

    def start(self) -> None:
        """Begin to look."""
        self._tasks.spawn(self._keep(), name="loop")

    async def stop(self) -> None:
        """Stop looking."""
        await self._tasks.close()

    async def check(self) -> None:
        """Evict what is too large now."""
        limited = [one for one in self._candidates() if has_limits(one.pod)]
        if not limited:
            return
        try:
            usage = {one.container_id: one for one in await self._runtime.usage()}
        except RuntimeFault:
            return
        for one in limited:
            used = await asyncio.to_thread(measure, one, usage)
            if (reason := excess(one.pod, used)) is not None:
                one.evict(reason)

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            await self.check()


def measure(candidate: Candidate, usage: Mapping[str, ContainerUsage]) -> DiskUse:
    """What the pod has on the disk now; blocking."""
    volumes = {
        volume["name"]: tree_bytes(candidate.volumes / "kubernetes.io~empty-dir" / volume["name"])
        for volume in spec_of(candidate.pod).get("volumes") or ()
        if _on_disk(volume)
    }
    containers = {}
    for name, attempts in candidate.seen.history.items():
        layers = [usage[one.id].writable_layer for one in attempts[:1] if one.id in usage]
        logs = {one.log_path.parent for one in attempts if one.log_path is not None}
        containers[name] = sum(tree_bytes(path) for path in (*layers, *logs) if path is not None)
    return DiskUse(volumes, containers)


def tree_bytes(path: Path) -> int:
    """The disk space below ``path``, each file counted once; what vanishes meanwhile does not count."""
    total, links = 0, set[tuple[int, int]]()
    for directory, _, files in os.walk(path):
        for name in files:
            try:
                found = os.lstat(f"{directory}/{name}")
            except OSError:
                continue
            if found.st_nlink > 1 and (found.st_dev, found.st_ino) in links:
                continue
            links.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    return total


def _on_disk(volume: Mapping[str, Any]) -> bool:
    return "emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory"


def _size_limits(pod: Object) -> dict[str, str]:
    return {
        volume["name"]: str(volume["emptyDir"]["sizeLimit"])
        for volume in spec_of(pod).get("volumes") or ()
        if _on_disk(volume) and bytes_of((volume["emptyDir"] or {}).get("sizeLimit") or "0")
    }


def _lasting(pod: Object) -> list[Container]:
    return [*app_containers(pod), *(one for one in init_containers(pod) if one.role is Role.SIDECAR)]


def _limit(container: Container) -> str:
    return str(((container.spec.get("resources") or {}).get("limits") or {}).get(_STORAGE) or "")


def _sole_limit(pod: Object) -> str:
    """The limit as it was written, where there is only one container to have one."""
    containers = [*app_containers(pod), *init_containers(pod)]
    return _limit(containers[0]) if len(containers) == 1 else ""
