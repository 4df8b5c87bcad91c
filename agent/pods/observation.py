"""What the runtime shows of one pod, arranged for the decisions: newest sandbox first, newest attempt first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.runtime.protocol import ContainerState, ContainerStatus, SandboxStatus


class ProbeResult(StrEnum):
    """What a probe last concluded, its thresholds applied."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ProbeResults:
    """The three probes of one container; None where it has no such probe."""

    startup: ProbeResult | None = None
    readiness: ProbeResult | None = None
    liveness: ProbeResult | None = None

    @property
    def started(self) -> bool:
        """Whether nothing of the startup probe is outstanding."""
        return self.startup in (None, ProbeResult.SUCCESS)

    @property
    def ready(self) -> bool:
        """Whether nothing speaks against sending traffic."""
        return self.readiness in (None, ProbeResult.SUCCESS)


#: Probe results by container id.
Probes = Mapping[str, ProbeResults]


@dataclass(frozen=True, slots=True)
class PodObservation:
    """One pod as the runtime sees it now."""

    sandboxes: tuple[SandboxStatus, ...] = ()
    history: Mapping[str, tuple[ContainerStatus, ...]] = field(default_factory=dict)

    @property
    def sandbox(self) -> SandboxStatus | None:
        """The sandbox in which containers can run."""
        return next((sandbox for sandbox in self.sandboxes if sandbox.ready), None)

    def latest(self, name: str) -> ContainerStatus | None:
        """The newest attempt of the container called ``name``."""
        attempts = self.history.get(name)
        return attempts[0] if attempts else None

    def attempts(self, name: str) -> tuple[ContainerStatus, ...]:
        """Every attempt of the container called ``name`` that is still known, newest first."""
        return self.history.get(name, ())

    def sandbox_id(self) -> str | None:
        """The id of the sandbox in which containers can run."""
        return self.sandbox.id if self.sandbox else None

    def running(self) -> list[ContainerStatus]:
        """Every container that runs, in whichever sandbox."""
        return [
            status
            for attempts in self.history.values()
            for status in attempts
            if status.state is ContainerState.RUNNING
        ]

    def containers(self) -> list[ContainerStatus]:
        """Every container there is, running or not."""
        return [status for attempts in self.history.values() for status in attempts]

    def find(self, container_id: str) -> ContainerStatus | None:
        """The container with this id."""
        return next((status for status in self.containers() if status.id == container_id), None)


def observe_all(sandboxes: Iterable[SandboxStatus], containers: Iterable[ContainerStatus]) -> dict[str, PodObservation]:
    """Everything on the node, by pod uid. A container whose sandbox is gone cannot be told to a pod and is left out."""
    boxes: dict[str, list[SandboxStatus]] = defaultdict(list)
    owner: dict[str, str] = {}
    for sandbox in sandboxes:
        boxes[sandbox.uid].append(sandbox)
        owner[sandbox.id] = sandbox.uid
    found: dict[str, dict[str, list[ContainerStatus]]] = defaultdict(lambda: defaultdict(list))
    for container in containers:
        if container.sandbox_id in owner:
            found[owner[container.sandbox_id]][container.name].append(container)
    return {uid: _pod(boxes[uid], found[uid]) for uid in boxes}


def _pod(sandboxes: list[SandboxStatus], containers: dict[str, list[ContainerStatus]]) -> PodObservation:
    return PodObservation(
        sandboxes=tuple(sorted(sandboxes, key=lambda box: (box.created_at, box.id), reverse=True)),
        history={
            name: tuple(sorted(attempts, key=lambda one: (one.attempt, one.created_at), reverse=True))
            for name, attempts in containers.items()
        },
    )
