"""A node for tests: the pod manager on the simulated runtime, against any API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.pods.manager import PodManager, PodManagerDeps
from agent.pods.services import NodeSettings
from agent.runtime.simulated import SimulatedRuntime
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import NotFound
from minikube_py.api.resources import PODS
from minikube_py.api.types import Object
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client

NODE = "node-1"


@dataclass(frozen=True)
class Addresses:
    ips: tuple[str, ...]


@dataclass
class CountingNetwork:
    """Gives 10.244.0.2, .3, …; remembers who has what."""

    attached: dict[str, Addresses] = field(default_factory=dict)
    detached: list[str] = field(default_factory=list)
    next: int = 2

    async def attach(self, netns_path: str, pod_uid: str) -> Addresses:
        if pod_uid not in self.attached:
            self.attached[pod_uid] = Addresses((f"10.244.0.{self.next}",))
            self.next += 1
        return self.attached[pod_uid]

    async def adopt(self, pod_uids: Iterable[str]) -> None:
        known = set(pod_uids)
        for uid in set(self.attached) - known:
            await self.detach(uid)

    async def detach(self, pod_uid: str) -> None:
        if self.attached.pop(pod_uid, None):
            self.detached.append(pod_uid)


@dataclass
class PodNode:
    """The running node and the client that watches it."""

    client: Client
    runtime: SimulatedRuntime
    network: CountingNetwork
    clock: Clock
    manager: PodManager
    state_dir: Path

    async def create(self, spec: dict[str, Any], *, name: str = "web", **metadata: Any) -> Object:
        """A pod bound to this node."""
        return await self.client.create(PODS, pod_manifest(spec, name=name, **metadata), "default")

    async def get(self, name: str = "web") -> Object:
        return await self.client.get(PODS, name, "default")

    async def until(self, condition: Callable[[Object], Any], *, name: str = "web", seconds: float = 60.0) -> Object:
        """The pod once ``condition`` holds."""
        pod: Object = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    pod = await self.get(name)
                    if condition(pod):
                        return pod
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not reached; the pod is {pod}") from None

    async def until_clean(self, seconds: float = 60.0) -> None:
        """Return once nothing of any pod is on the machine."""
        async with asyncio.timeout(seconds):
            while True:
                if not (await self.runtime.list_sandboxes() or self.network.attached or self._directories()):
                    return
                await asyncio.sleep(0.005)

    def _directories(self) -> list[Path]:
        roots = (self.state_dir / "pods", self.state_dir / "logs")
        return [path for root in roots if root.is_dir() for path in root.iterdir()]

    async def until_gone(self, *, name: str = "web", seconds: float = 60.0) -> None:
        """Return once the API server has the pod no more."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.get(name)
                except NotFound:
                    return
                await asyncio.sleep(0.005)


def pod_manifest(spec: dict[str, Any], *, name: str = "web", **metadata: Any) -> Object:
    full = {
        "nodeName": NODE,
        "containers": [{"name": "app", "image": "minik.local/echo"}],
        "automountServiceAccountToken": False,
        **spec,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": full,
    }


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase"))


def container(pod: Object, name: str = "app") -> dict[str, Any]:
    """The status entry of a container."""
    status = pod.get("status") or {}
    entries = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return next((entry for entry in entries if entry["name"] == name), {})


def condition(pod: Object, kind: str) -> str:
    found = (pod.get("status") or {}).get("conditions") or ()
    return next((str(one["status"]) for one in found if one["type"] == kind), "")


def _resolv_conf(state_dir: Path) -> Path:
    state_dir.mkdir(parents=True, exist_ok=True)
    path = state_dir / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\n")
    return path


@asynccontextmanager
async def running_node(
    client: Client, runtime: SimulatedRuntime, state_dir: Path, *, clock: Clock, network: CountingNetwork | None = None
) -> AsyncIterator[PodNode]:
    """A pod manager that is started and stopped. The runtime is the caller's: it outlives the manager."""
    network = network or CountingNetwork()
    resolv = _resolv_conf(state_dir)
    tasks = TaskSet("informers")
    informers = InformerSet(client, tasks, clock)
    recorder = EventRecorder(client, "kubelet", NODE, clock=clock)
    settings = NodeSettings(NODE, ("192.168.230.11",), ("10.96.0.10",), "cluster.local", resolv, state_dir)
    manager = PodManager(
        PodManagerDeps(
            node=settings,
            client=client,
            informers=informers,
            runtime=runtime,
            network=network,
            recorder=recorder,
            clock=clock,
            allocatable=lambda: {"cpu": "2", "memory": "4Gi"},
        )
    )
    await manager.start()
    await informers.start()
    try:
        yield PodNode(client, runtime, network, clock, manager, state_dir)
    finally:
        await manager.stop()
        await recorder.close(seconds=0.1)
        await tasks.close()
