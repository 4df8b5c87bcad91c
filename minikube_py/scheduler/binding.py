"""What the scheduler tells the API server: bindings, the PodScheduled condition, events."""

from __future__ import annotations

import asyncio

from minikube_py.aio.clock import Clock
from minikube_py.api.errors import NotFound
from minikube_py.api.meta import find_condition, format_time, metadata
from minikube_py.api.resources import PODS
from minikube_py.api.types import Object
from minikube_py.client.events import EventRecorder
from minikube_py.client.rest import Client, PatchKind
from minikube_py.scheduler.views import PodInfo

UNSCHEDULABLE = "Unschedulable"
#: Requests under way at once: each is a connection, and more of them only wait in the server instead of here.
_AT_ONCE = 16


def binding_of(pod: PodInfo, node: str) -> Object:
    """The Binding that puts the pod on the node; the UID keeps it off a namesake."""
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.key.name, "namespace": pod.namespace, "uid": pod.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


def refusal_condition(pod: Object, message: str, now: str) -> Object | None:
    """The PodScheduled condition that explains the refusal, or None where the pod carries it already."""
    current = find_condition((pod.get("status") or {}).get("conditions"), "PodScheduled") or {}
    if (current.get("status"), current.get("reason"), current.get("message")) == ("False", UNSCHEDULABLE, message):
        return None
    since = current.get("lastTransitionTime") if current.get("status") == "False" else None
    condition: Object = {
        "type": "PodScheduled",
        "status": "False",
        "reason": UNSCHEDULABLE,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": since or now,
    }
    generation = metadata(pod).get("generation")
    return condition | ({"observedGeneration": generation} if generation else {})


class Announcer:
    """Writes the scheduler's decisions."""

    def __init__(self, *, client: Client, recorder: EventRecorder, clock: Clock) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Bind the pod. Raises StatusError where the API server refuses, ConnectionFailed where it is away."""
        async with self._gate:
            await self._client.create(
                PODS, binding_of(pod, node), pod.namespace, name=pod.key.name, subresource="binding"
            )
        message = f"Successfully assigned {pod.key} to {node}"
        self._recorder.event(pod.obj, "Normal", "Scheduled", message)

    async def refuse(self, pod: PodInfo, message: str) -> None:
        """Explain on the pod, and as an event, why it waits. A pod that is gone needs no explanation."""
        self._recorder.event(pod.obj, "Warning", "FailedScheduling", message)
        condition = refusal_condition(pod.obj, message, format_time(self._clock.now()))
        if condition is None:
            return
        patch = {"status": {"conditions": [condition]}}
        try:
            async with self._gate:
                await self._client.patch(
                    PODS, pod.key.name, patch, pod.namespace, kind=PatchKind.STRATEGIC, subresource="status"
                )
        except NotFound:
            pass
