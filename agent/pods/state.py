"""What one pod worker knows beside the pod and the runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.pods.container_status import StartFailure
from agent.pods.crashloop import RestartBackoff
from agent.pods.events import PodEvents, Recorder
from agent.pods.model import all_containers, status_of
from agent.pods.observation import PodObservation
from agent.pods.resize import Allocation, Requirements, ResizeFacts, with_allocation
from agent.pods.status import Outcome
from agent.pods.volumes.manager import MountedVolumes
from minikube_py.api.meta import uid_of
from minikube_py.api.types import Object


@dataclass(slots=True)
class PodState:
    """Owned by the pod's worker; nobody else changes it.

    ``allocation`` is what the node has agreed to (None before it was asked), ``actual`` what attempts are held to.
    """

    pod: Object
    recorder: Recorder
    ips: tuple[str, ...] = ()
    volumes: MountedVolumes | None = None
    outcome: Outcome | None = None
    terminal: bool = False
    failures: dict[str, StartFailure] = field(default_factory=dict)
    backoff: RestartBackoff = field(default_factory=RestartBackoff)
    attempts: dict[str, int] = field(default_factory=dict)
    last_words: dict[str, str] = field(default_factory=dict)
    allocation: Allocation | None = None
    actual: dict[tuple[str, int], Requirements] = field(default_factory=dict)
    resize_deferred: str = ""
    resize_error: str = ""
    resize_generation: int = 0

    @property
    def allocated(self) -> Object:
        """The pod with the resources that the node has agreed to."""
        return self.pod if self.allocation is None else with_allocation(self.pod, self.allocation)

    @property
    def resize_facts(self) -> ResizeFacts:
        """What the status tells of resizes."""
        return ResizeFacts(self.actual, self.resize_deferred, self.resize_error)

    @property
    def uid(self) -> str:
        return uid_of(self.pod)

    @property
    def pod_ip(self) -> str:
        """The primary address, "" before the sandbox stands."""
        return self.ips[0] if self.ips else ""

    @property
    def events(self) -> PodEvents:
        """Events about the pod."""
        return PodEvents(self.recorder, self.pod)

    def next_attempt(self, name: str, seen: PodObservation) -> int:
        """The number of a container's next attempt: one more than any that the runtime, the API or we know of."""
        known = self.attempts.get(name, -1)
        newest = seen.latest(name)
        if newest is not None:
            known = max(known, newest.attempt)
        return max(known, self._published(name)) + 1

    def _published(self, name: str) -> int:
        """The newest attempt that the published status tells of.

        Without a container id its restartCount is that of the attempt to come (a container that was lost counts one
        more at once).
        """
        status = status_of(self.pod)
        lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        entries = [entry for key in lists for entry in status.get(key) or () if entry["name"] == name]
        return next((int(entry["restartCount"]) - (not entry.get("containerID")) for entry in entries), -1)

    def forget_failures(self) -> None:
        """Drop the failures of containers that the pod no longer has."""
        names = {container.name for container in all_containers(self.pod)}
        self.failures = {name: failure for name, failure in self.failures.items() if name in names}
