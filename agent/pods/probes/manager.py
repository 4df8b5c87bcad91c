"""The probers of one pod: one per running container, replaced with it."""

from __future__ import annotations

from collections.abc import Callable

from agent.pods.container_status import ID_SCHEME
from agent.pods.model import Container, Role, all_containers, status_of
from agent.pods.observation import PodObservation, ProbeResult, ProbeResults, Probes
from agent.pods.plan import initial_results
from agent.pods.probes.check import Answer
from agent.pods.probes.prober import ContainerProber, ProbeKind, ProberDeps
from agent.runtime.protocol import ContainerState, ContainerStatus, Runtime
from minikube_py.aio.clock import Clock
from minikube_py.api.types import Object

#: Told of each answer that deserves an event: the container's name, the kind and the answer.
AnswerSink = Callable[[str, ProbeKind, Answer], None]


class PodProbes:
    """Keeps a prober for every running container that has probes. ``on_result`` is called when a result changes."""

    def __init__(self, *, runtime: Runtime, clock: Clock, on_result: Callable[[], None], on_answer: AnswerSink) -> None:
        self._runtime = runtime
        self._clock = clock
        self._on_result = on_result
        self._on_answer = on_answer
        self._probers: dict[str, ContainerProber] = {}

    def results(self) -> Probes:
        """The results by container id."""
        return {container_id: prober.results for container_id, prober in self._probers.items()}

    async def follow(self, pod: Object, seen: PodObservation, pod_ip: str) -> None:
        """Probe what runs now, and nothing else."""
        running = {status.id: status for status in seen.running()}
        for container_id in self._probers.keys() - running.keys():
            await self._probers.pop(container_id).stop()
        for container in all_containers(pod):
            status = seen.latest(container.name)
            if status is not None and status.state is ContainerState.RUNNING and status.id not in self._probers:
                self._add(pod, container, status, pod_ip)

    async def stop_restarting(self) -> None:
        """The pod is ending: nothing may be restarted any more, but readiness is still told."""
        for prober in self._probers.values():
            await prober.stop(ProbeKind.STARTUP, ProbeKind.LIVENESS)

    async def stop(self) -> None:
        """Ask nothing any more."""
        for prober in self._probers.values():
            await prober.stop()
        self._probers.clear()

    def _add(self, pod: Object, container: Container, status: ContainerStatus, pod_ip: str) -> None:
        if container.role not in (Role.APP, Role.SIDECAR):
            return
        if not any(container.spec.get(kind.field) for kind in ProbeKind):
            return
        deps = ProberDeps(
            runtime=self._runtime,
            clock=self._clock,
            on_result=self._on_result,
            on_answer=lambda kind, answer: self._on_answer(container.name, kind, answer),
        )
        known = published_results(pod, container, status)
        prober = ContainerProber(container, status, pod_ip=pod_ip, deps=deps, known=known)
        self._probers[status.id] = prober
        prober.start()


def published_results(pod: Object, container: Container, status: ContainerStatus) -> ProbeResults | None:
    """The results that the published status tells of this very container: an agent that comes back goes on from them.

    Without this every restart of an agent would take its ready pods out of their Services for a moment.
    """
    published = status_of(pod)
    entries = [*(published.get("containerStatuses") or ()), *(published.get("initContainerStatuses") or ())]
    entry = next((one for one in entries if one.get("containerID") == ID_SCHEME + status.id), None)
    if entry is None:
        return None
    fresh = initial_results(container)
    startup = ProbeResult.SUCCESS if entry.get("started") else fresh.startup
    readiness = ProbeResult.SUCCESS if entry.get("ready") else fresh.readiness
    return ProbeResults(
        startup=startup if fresh.startup else None,
        readiness=readiness if fresh.readiness else None,
        liveness=fresh.liveness,
    )
