"""Pods and what a runtime shows of them, in few words, for tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from agent.pods.observation import PodObservation, observe_all
from agent.runtime.protocol import ContainerState, ContainerStatus, SandboxStatus
from minikube_py.api.types import Object

START = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = "minik.local/echo"


def make_pod(*containers: str | dict[str, Any], init: tuple[Any, ...] = (), **spec: Any) -> Object:
    """A pod whose containers are given by name or as dictionaries."""
    metadata = spec.pop("metadata", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "u1", **metadata},
        "spec": {
            "containers": [_spec(one) for one in containers or ("app",)],
            **({"initContainers": [_spec(one) for one in init]} if init else {}),
            "restartPolicy": "Always",
            **spec,
        },
        "status": spec.pop("status", {}),
    }


def _spec(given: str | dict[str, Any]) -> dict[str, Any]:
    return {"name": given, "image": IMAGE} if isinstance(given, str) else {"image": IMAGE, **given}


def sidecar(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "restartPolicy": "Always", **more}


def box(number: int = 1, *, ready: bool = True) -> SandboxStatus:
    return SandboxStatus(f"s{number}", "default", "web", "u1", ready, "", START + timedelta(seconds=number))


def ran(name: str, code: int = 0, *, attempt: int = 0, sandbox: int = 1, **more: Any) -> ContainerStatus:
    """A container that has ended ten seconds after the start."""
    return _status(
        name, attempt, sandbox, ContainerState.EXITED,
        started_at=START, finished_at=START + timedelta(seconds=10), exit_code=code, **more,
    )  # fmt: skip


def runs(name: str, *, attempt: int = 0, sandbox: int = 1, **more: Any) -> ContainerStatus:
    return _status(name, attempt, sandbox, ContainerState.RUNNING, started_at=START, **more)


def made(name: str, *, attempt: int = 0, sandbox: int = 1) -> ContainerStatus:
    return _status(name, attempt, sandbox, ContainerState.CREATED)


def _status(name: str, attempt: int, sandbox: int, state: ContainerState, **more: Any) -> ContainerStatus:
    return ContainerStatus(
        id=f"{name}-{attempt}", sandbox_id=f"s{sandbox}", name=name, attempt=attempt, image=more.pop("image", IMAGE),
        image_id="image:1", state=state, created_at=START + timedelta(seconds=attempt), **more,
    )  # fmt: skip


def seen(*things: SandboxStatus | ContainerStatus) -> PodObservation:
    """What the runtime shows; one ready sandbox where none is given."""
    boxes = [thing for thing in things if isinstance(thing, SandboxStatus)]
    containers = [thing for thing in things if isinstance(thing, ContainerStatus)]
    return observe_all(boxes or [box()], containers)["u1"]
