"""Simulated kubelets: nodes that report Ready, renew leases and say that bound pods run. No process is started.

async with SimulatedNodes(client, clock) as nodes:
    await nodes.add("node-1", zone="a")
    nodes.silence("node-1")            # stops renewing and reporting
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Conflict, NotFound
from minikube_py.api.meta import format_micro_time, format_time, is_deleting, name_of, namespace_of, uid_of
from minikube_py.api.resources import LEASES, NODES, PODS
from minikube_py.api.types import Object
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client, PatchKind

LEASE_NAMESPACE = "kube-node-lease"


class SimulatedNodes:
    """Any number of nodes behind one client and one watch over pods."""

    def __init__(self, client: Client, *, clock: Clock | None = None, renew_seconds: float = 10.0) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._renew = renew_seconds
        self._tasks = TaskSet("simulated nodes")
        self._pods = Informer(client, PODS, tasks=self._tasks, clock=self._clock)
        self._nodes: dict[str, int] = {}
        self._silent: set[str] = set()
        self._next_ip = 1
        self._busy: set[str] = set()
        self._gate = asyncio.Semaphore(32)
        #: Pods whose names start so never become ready.
        self.failing: tuple[str, ...] = ()
        #: Pods whose names start so end at once, with this phase.
        self.ending: dict[str, str] = {}

    async def __aenter__(self) -> SimulatedNodes:
        self._pods.subscribe(self._on_pod)
        self._pods.start()
        await self._pods.wait_synced()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()

    async def add(self, name: str, *, cpu: str = "8", zone: str = "", **spec: object) -> Object:
        """Register a Ready node and keep its lease."""
        self._nodes[name] = len(self._nodes)
        labels = {"kubernetes.io/hostname": name} | ({"topology.kubernetes.io/zone": zone} if zone else {})
        node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec}
        created = await self._client.create(NODES, node)
        created = await self._client.update(NODES, created | {"status": self._status(cpu)}, subresource="status")
        await self._renew_lease(name)
        self._tasks.spawn(self._keep_lease(name), name=f"lease {name}")
        return created

    def silence(self, *names: str) -> None:
        """The nodes stop reporting, as if their agents had been killed."""
        self._silent.update(names)

    async def revive(self, name: str) -> None:
        """The node reports again."""
        self._silent.discard(name)
        await self._renew_lease(name)
        node = await self._client.get(NODES, name)
        await self._client.update(NODES, node | {"status": self._status("8")}, subresource="status")
        for pod in self._pods.list():
            self._on_pod(None, pod)

    def _status(self, cpu: str) -> Object:
        moment = format_time(self._clock.now())
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": moment,
            "lastTransitionTime": moment,
        }
        room = {"cpu": cpu, "memory": "16Gi", "pods": "250"}
        return {"capacity": room, "allocatable": room, "conditions": [ready]}

    async def _keep_lease(self, name: str) -> None:
        while True:
            await self._clock.sleep(self._renew)
            if name not in self._silent:
                await self._renew_lease(name)

    async def _renew_lease(self, name: str) -> None:
        now = format_micro_time(self._clock.now())
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
        try:
            await self._client.patch(LEASES, name, {"spec": spec}, LEASE_NAMESPACE)
        except NotFound:
            meta = {"name": name, "namespace": LEASE_NAMESPACE}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            await self._client.create(LEASES, lease)

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        node = ((new or {}).get("spec") or {}).get("nodeName")
        if new is None or node not in self._nodes or node in self._silent:
            return
        uid = uid_of(new)
        wants = is_deleting(new) or (new.get("status") or {}).get("phase") in (None, "", "Pending")
        wants = wants or not (new.get("status") or {}).get("podIP")
        if wants and uid not in self._busy:
            self._busy.add(uid)
            self._tasks.spawn(self._serve(new), name=f"pod {name_of(new)}")

    async def _serve(self, pod: Object) -> None:
        try:
            async with self._gate:
                if is_deleting(pod):
                    await self._client.delete(
                        PODS, name_of(pod), namespace_of(pod), grace_seconds=0, preconditions={"uid": uid_of(pod)}
                    )
                else:
                    await self._run(pod)
        except (NotFound, Conflict):
            pass
        finally:
            self._busy.discard(uid_of(pod))
        latest = self._pods.get(namespace_of(pod), name_of(pod))
        if latest is not None and is_deleting(latest) and not is_deleting(pod):
            self._on_pod(None, latest)

    async def _run(self, pod: Object) -> None:
        name = name_of(pod)
        phase = next((phase for prefix, phase in self.ending.items() if name.startswith(prefix)), "Running")
        ready = phase == "Running" and not name.startswith(self.failing or ("\0",))
        await self._client.patch(PODS, name, {"status": self._pod_status(pod, phase, ready)}, namespace_of(pod),
                                 subresource="status")  # fmt: skip

    def _pod_status(self, pod: Object, phase: str, ready: bool) -> Object:
        moment, spec = format_time(self._clock.now()), pod.get("spec") or {}
        self._next_ip += 1
        ip = f"10.244.{self._next_ip // 250}.{self._next_ip % 250 + 1}"
        state: Object = {"running": {"startedAt": moment}}
        if phase != "Running":
            code = 0 if phase == "Succeeded" else 1
            state = {"terminated": {"exitCode": code, "reason": "Completed" if not code else "Error",
                                    "startedAt": moment, "finishedAt": moment}}  # fmt: skip
        conditions = [
            {"type": kind, "status": status, "lastTransitionTime": moment}
            for kind, status in (
                ("PodScheduled", "True"),
                ("Initialized", "True"),
                ("ContainersReady", str(ready)),
                ("Ready", str(ready)),
            )
        ]
        containers = [
            {
                "name": entry["name"],
                "ready": ready,
                "restartCount": 0,
                "image": entry.get("image", ""),
                "imageID": "",
                "state": state,
            }
            for entry in spec.get("containers") or ()
        ]
        return {
            "phase": phase,
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "hostIP": "192.168.230.11",
            "startTime": moment,
            "conditions": conditions,
            "containerStatuses": containers,
        }


async def set_ready(client: Client, pod: Object, ready: bool) -> Object:
    """Flip a pod's readiness, as a probe would."""
    condition = {
        "type": "Ready",
        "status": str(ready),
        "lastTransitionTime": format_time(SystemClock().now()),
    }
    return await client.patch(
        PODS,
        name_of(pod),
        {"status": {"conditions": [condition]}},
        namespace_of(pod),
        kind=PatchKind.STRATEGIC,
        subresource="status",
    )
