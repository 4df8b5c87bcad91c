"""Events about a pod or one of its containers, as the kubelet tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.pods.model import Container, Role
from minikube_py.api.types import Object

_FIELDS = {
    Role.INIT: "initContainers",
    Role.SIDECAR: "initContainers",
    Role.APP: "containers",
    Role.EPHEMERAL: "ephemeralContainers",
}


class Recorder(Protocol):
    """The client's EventRecorder, as far as it is used here."""

    def event(self, obj: Object, type: str, reason: str, message: str, *, field_path: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class PodEvents:
    """Tells events about one pod, or about one of its containers, which ``field_path`` names."""

    recorder: Recorder
    pod: Object
    field_path: str = ""

    def normal(self, reason: str, message: str) -> None:
        """Something happened as it should."""
        self.recorder.event(self.pod, "Normal", reason, message, field_path=self.field_path)

    def warning(self, reason: str, message: str) -> None:
        """Something is wrong."""
        self.recorder.event(self.pod, "Warning", reason, message, field_path=self.field_path)

    def of(self, container: Container) -> PodEvents:
        """Events about one container of the pod."""
        return PodEvents(self.recorder, self.pod, f"spec.{_FIELDS[container.role]}{{{container.name}}}")
