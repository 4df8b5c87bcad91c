"""All pods of this node: which there should be (API server), which there are (runtime), one worker for each.

At the start the runtime's pods are adopted: a worker looks before it acts, so one that finds its containers running
leaves them alone. What the runtime runs and nobody wants is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.network.pods import PodNetwork
from agent.pods.admission import NODE_AFFINITY, admit, resize_refusal
from agent.pods.conditions import foreign_conditions
from agent.pods.events import Recorder
from agent.pods.eviction import Candidate, LocalStorageEviction
from agent.pods.hooks import HookRunner
from agent.pods.hostports import HostPorts
from agent.pods.mirror import MirrorPods, is_mirror
from agent.pods.model import spec_of
from agent.pods.objects import ObjectCache
from agent.pods.observation import PodObservation
from agent.pods.rotation import LogRotation
from agent.pods.runtime_view import RuntimeView
from agent.pods.services import NodeSettings, PodServices
from agent.pods.sources import EnvironmentSource
from agent.pods.specs import pod_paths, uid_of_logs
from agent.pods.static import StaticPodSource
from agent.pods.status import Outcome
from agent.pods.status_manager import StatusManager
from agent.pods.termination import ContainerStopper
from agent.pods.volumes.certificates import CertificateSource
from agent.pods.volumes.images import ImageVolumes
from agent.pods.volumes.manager import VolumeManager
from agent.pods.volumes.tokens import TokenSource
from agent.pods.worker import PodWorker
from agent.runtime.protocol import ContainerStatus, Runtime, RuntimeFault
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import key_of, metadata, uid_of
from minikube_py.api.resources import NODES, PODS, SERVICES
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client

_log = logging.getLogger(__name__)
#: The parts of metadata that a running pod depends on.
_RELEVANT = ("labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(frozen=True, slots=True)
class PodManagerDeps:
    """What the manager is built from. ``allocatable`` is the node's, for limits that a container does not set."""

    node: NodeSettings
    client: Client
    informers: InformerSet
    runtime: Runtime
    network: PodNetwork
    recorder: Recorder
    clock: Clock
    allocatable: Callable[[], Mapping[str, str]]
    node_object: Callable[[], Object | None] = lambda: None


class PodManager:
    """The pods of one node."""

    def __init__(self, deps: PodManagerDeps) -> None:
        self._deps = deps
        self._tasks = TaskSet("pods")
        self._workers: dict[str, PodWorker] = {}
        self._cleared: set[str] = set()
        self._static: dict[str, Object] = {}
        self._mirrors = MirrorPods(client=deps.client, clock=deps.clock, node=deps.node_object)
        self._manifests = StaticPodSource(
            deps.node.state_dir / "manifests",
            node=deps.node.name,
            clock=deps.clock,
            on_change=self._static_changed,
        )
        self._watchers: list[Callable[[str], None]] = []
        self._objects = ObjectCache(client=deps.client, clock=deps.clock, on_change=self._objects_changed)
        self._tokens = TokenSource(client=deps.client, clock=deps.clock, on_renewal=self._token_due)
        self._certificates = CertificateSource(
            client=deps.client, clock=deps.clock, node=deps.node_object, on_renewal=self._token_due
        )
        self._statuses = StatusManager(client=deps.client, clock=deps.clock)
        self._pods = deps.informers.of(PODS, field_selector=f"spec.nodeName={deps.node.name}")
        self._service_informer = deps.informers.of(SERVICES)
        self._unsubscribe: Callable[[], None] | None = None
        self.view = RuntimeView(runtime=deps.runtime, clock=deps.clock, on_change=self._runtime_changed)
        self._services = self._make_services()
        self._eviction = LocalStorageEviction(runtime=deps.runtime, clock=deps.clock, candidates=self._candidates)
        self._rotation = LogRotation(runtime=deps.runtime, clock=deps.clock, containers=self._containers)

    async def start(self) -> None:
        """Adopt what runs and follow the API server. Raises RuntimeFault where the runtime does not answer.

        Returns before the API server has answered: pods go on without it.
        """
        # Volumes hold secrets: nobody but the agent and its machine looks in from outside.
        await asyncio.to_thread((self._deps.node.state_dir / "pods").mkdir, 0o700, True, True)
        await self.view.start()
        await self._deps.network.adopt([uid for uid in self.view.uids() if self.view.get(uid).sandbox is not None])
        self._rotation.start()
        self._eviction.start()
        self._manifests.start()
        self._tasks.spawn(self._follow(), name="follow")

    async def stop(self) -> None:
        """Stop watching over the pods; they go on running."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._manifests.stop()
        await self._mirrors.stop()
        await self._eviction.stop()
        await self._rotation.stop()
        await self._tasks.close()
        for worker in list(self._workers.values()):
            await worker.stop()
        await self._services.host_ports.stop()
        self._tokens.close()
        self._certificates.close()
        await self._statuses.stop()
        await self._objects.close()
        await self.view.stop()

    def pods(self) -> list[Object]:
        """The pods of this node as the agent has them, with the statuses that it has published last."""
        return [self._with_status(worker.pod) for worker in self._workers.values()]

    def find(self, namespace: str, name: str, uid: str = "") -> Object | None:
        """One pod, by its name and (where given) uid."""
        for worker in self._workers.values():
            meta = metadata(worker.pod)
            if (meta.get("namespace"), meta.get("name")) == (namespace, name) and uid in ("", uid_of(worker.pod)):
                return self._with_status(worker.pod)
        return None

    def observed(self, uid: str) -> PodObservation:
        """What the runtime shows of a pod."""
        return self.view.get(uid)

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call back with the uid of each pod that the runtime shows differently, until the result is called."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def log_file(self, pod: Object, container: str, attempt: int) -> Path:
        """Where an attempt's log is."""
        return pod_paths(self._deps.node.state_dir, pod).log_file(container, attempt)

    def _containers(self) -> list[ContainerStatus]:
        return [status for uid in self.view.uids() for status in self.view.get(uid).containers()]

    def _candidates(self) -> list[Candidate]:
        volumes = self._services.volumes
        return [
            Candidate(worker.pod, volumes.directory(uid), self.view.get(uid), worker.evict)
            for uid, worker in self._workers.items()
        ]

    def _with_status(self, pod: Object) -> Object:
        status = self._statuses.get(uid_of(pod))
        return pod | {"status": status} if status is not None else pod

    def _make_services(self) -> PodServices:
        deps = self._deps
        hooks = HookRunner(runtime=deps.runtime, clock=deps.clock)
        environment = EnvironmentSource(
            objects=self._objects,
            services=self._service_informer.list,
            host_ips=deps.node.ips,
            allocatable=deps.allocatable,
        )
        volumes = VolumeManager(
            root=deps.node.state_dir / "pods",
            objects=self._objects,
            tokens=self._tokens,
            certificates=self._certificates,
            clock=deps.clock,
            allocatable=deps.allocatable,
            images=ImageVolumes(images=deps.runtime.images, secrets=environment.pull_secrets),
            own_mounts=deps.node.own_mounts,
            host_root=deps.node.host_root,
        )
        return PodServices(
            node=deps.node,
            runtime=deps.runtime,
            view=self.view,
            network=deps.network,
            client=deps.client,
            recorder=deps.recorder,
            clock=deps.clock,
            volumes=volumes,
            environment=environment,
            statuses=self._statuses,
            hooks=hooks,
            stopper=ContainerStopper(runtime=deps.runtime, hooks=hooks, clock=deps.clock),
            host_ports=HostPorts(node_ips=deps.node.ips, clock=deps.clock),
            admit=self._admit,
            admit_resize=self._admit_resize,
            room_made=self._room_made,
        )

    async def _admit(self, pod: Object) -> Outcome | None:
        """A Node that does not match is read again: it may have got the label that its pod was bound for just now."""
        refusal = admit(pod, self._allocated(), self._deps.node_object())
        if refusal is None or refusal.reason != NODE_AFFINITY:
            return refusal
        try:
            node = await self._objects.read(NODES, "", self._deps.node.name)
        except (StatusError, ConnectionFailed):
            return refusal
        return admit(pod, self._allocated(), node)

    def _admit_resize(self, pod: Object) -> str | None:
        return resize_refusal(pod, self._allocated(), self._deps.node_object())

    def _allocated(self) -> list[Object]:
        """The pods with the resources that the node has agreed to, their phases those published last."""
        return [
            worker.state.allocated | {"status": _phase_only(self._with_status(worker.pod))}
            for worker in self._workers.values()
        ]

    def _room_made(self) -> None:
        """Deferred resizes are tried again once the pod that is speaking has finished its sentence."""
        if any(worker.state.resize_deferred for worker in self._workers.values()):
            self._tasks.spawn(self._retry_resizes(), name="retry-resizes")

    async def _retry_resizes(self) -> None:
        for worker in sorted(self._workers.values(), key=lambda one: -int(spec_of(one.pod).get("priority") or 0)):
            worker.retry_resize()

    async def _follow(self) -> None:
        """Services first: the variables of a new pod must tell of every Service that is there."""
        await self._service_informer.wait_synced()
        self._unsubscribe = self._pods.subscribe(self._pod_changed)
        await self._pods.wait_synced()
        await self._clear_orphans()

    def _mirror_changed(self, old: Object | None, new: Object | None) -> None:
        shown = new or old
        if shown is None:
            return
        static = self._mirrors.static_of(new) if new is not None else None
        if new is not None and static is not None:
            self._statuses.mirrored(static, new)
        self._mirrors.observed(key_of(shown), new)

    def _static_changed(self, pods: dict[str, Object]) -> None:
        for uid in self._static.keys() - pods.keys():
            self._removed(uid)
        for uid in pods.keys() - self._static.keys():
            self._added(pods[uid])
        self._static = pods
        self._mirrors.want(pods)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if is_mirror(new or old or {}):
            self._mirror_changed(old, new)
            return
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            self._removed(uid_of(old))
        if new is None:
            return
        self._statuses.observed(new)
        worker = self._workers.get(uid_of(new))
        if worker is None:
            self._added(new)
        elif _is_relevant(worker.pod, new):
            worker.update(new)
        else:
            worker.observe(new)

    def _added(self, pod: Object) -> None:
        uid = uid_of(pod)
        if uid in self._cleared:
            return
        self._workers[uid] = worker = PodWorker(pod, services=self._services, on_cleared=self._worker_cleared)
        worker.start()

    def _removed(self, uid: str) -> None:
        self._cleared.discard(uid)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.remove()
        else:
            self._statuses.forget(uid)

    def _worker_cleared(self, uid: str) -> None:
        worker = self._workers.pop(uid, None)
        if worker is None:
            return
        self._tasks.spawn(worker.stop(), name=f"forget-{uid}")
        self._room_made()
        known = self._pods.get(metadata(worker.pod).get("namespace"), metadata(worker.pod)["name"])
        if known is not None and uid_of(known) == uid:
            self._cleared.add(uid)

    def _runtime_changed(self, uid: str) -> None:
        for callback in list(self._watchers):
            callback(uid)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.changed()

    def _objects_changed(self, uids: set[str]) -> None:
        for uid in uids:
            self._token_due(uid)

    def _token_due(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.refresh_volumes()

    async def _clear_orphans(self) -> None:
        """End what this node runs and the API server does not know, and remove what former pods left."""
        for uid in self.view.uids():
            if uid not in self._workers:
                try:
                    await self._clear_orphan(uid)
                except (RuntimeFault, OSError) as fault:
                    _log.warning("pod %s, which nobody wants, could not be ended: %s", uid, fault)
        for path in await asyncio.to_thread(_directories, self._deps.node.state_dir / "pods"):
            if path.name not in self._workers:
                await self._services.volumes.teardown(path.name)
                await asyncio.to_thread(_remove, path)
        for path in await asyncio.to_thread(_directories, self._deps.node.state_dir / "logs"):
            if uid_of_logs(path) not in self._workers:
                await asyncio.to_thread(_remove, path)

    async def _clear_orphan(self, uid: str) -> None:
        _log.info("pod %s is not wanted any more: ending it", uid)
        for sandbox in self.view.get(uid).sandboxes:
            await self._deps.runtime.stop_sandbox(sandbox.id)
            await self._deps.runtime.remove_sandbox(sandbox.id)
        await self._deps.network.detach(uid)
        await self.view.refresh()


def _is_relevant(old: Object, new: Object) -> bool:
    before, after = metadata(old), metadata(new)
    if any(before.get(key) != after.get(key) for key in _RELEVANT) or old.get("spec") != new.get("spec"):
        return True
    return foreign_conditions(old) != foreign_conditions(new) or _phase(old) != _phase(new)


def _phase_only(pod: Object) -> Object:
    return {"phase": _phase(pod)}


def _phase(pod: Object) -> Any:
    return (pod.get("status") or {}).get("phase")


def _directories(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
