"""Carries resizes of one pod out: asks the node, changes the limits of what runs, remembers what is in force.

The rules are the kubelet's (``allocation_manager.go``, ``kuberuntime_manager.go``): a resize that does not fit is
deferred until room is made; a memory limit is not lowered below what is in use; a failure is told and tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.pods.resize import Resize, allocation_of, is_allocated, resizes, summary
from agent.pods.services import PodServices
from agent.pods.specs import pod_resources, resources
from agent.pods.state import PodState
from agent.runtime.protocol import RuntimeFault
from minikube_py.api.meta import metadata

RETRY_SECONDS = 10.0


class PodResizer:
    """The resizes of one pod. ``publish`` is called whenever its status may have changed."""

    def __init__(self, state: PodState, services: PodServices, publish: Callable[[], None]) -> None:
        self._state = state
        self._services = services
        self._publish = publish
        self._under_way = False
        self._loose = False

    def consider(self) -> None:
        """Agree to what the spec asks for, or say why not yet. To be called before a changed spec is published."""
        state = self._state
        if state.allocation is None:
            return
        if is_allocated(state.pod, state.allocation):
            state.resize_deferred = ""
            return
        refusal = self._services.admit_resize(state.pod)
        if refusal is None:
            self._agree()
        elif not state.resize_deferred or state.resize_generation != self._generation:
            state.events.warning("ResizeDeferred", f"Pod resize Deferred: {self._summary(refusal)}")
        state.resize_deferred = refusal or ""
        state.resize_generation = self._generation

    async def loosen(self) -> None:
        """Before anything is resized or replaced: no container may have more than its pod, so the pod's limits go."""
        state = self._state
        seen = self._services.view.get(state.uid)
        if seen.sandbox is not None and resizes(state.allocated, seen, state.actual):
            free = replace(pod_resources(state.allocated), cpu_limit_millis=None, memory_limit_bytes=None)
            await self._services.runtime.update_pod_resources(seen.sandbox.id, free)
            self._loose = True

    async def apply(self) -> float | None:
        """Hold what runs to the allocation. Returns the seconds after which to try again."""
        state = self._state
        seen = self._services.view.get(state.uid)
        due = [each for each in resizes(state.allocated, seen, state.actual) if not each.restart]
        try:
            await self._apply(due)
            await self._tighten()
        except (RuntimeFault, OSError) as fault:
            if state.resize_error != str(fault):
                state.events.warning("ResizeError", f"Pod resize error: {self._summary(str(fault))}")
            state.resize_error = str(fault)
            self._publish()
            return RETRY_SECONDS
        state.resize_error = ""
        if self._under_way and not resizes(state.allocated, seen, state.actual):
            self._under_way = False
            state.events.normal("ResizeCompleted", f"Pod resize completed: {self._summary()}")
        if due:
            self._publish()
        return None

    def _agree(self) -> None:
        state = self._state
        state.allocation = allocation_of(state.pod)
        state.resize_error = ""
        self._under_way = True
        state.events.normal("ResizeStarted", f"Pod resize started: {self._summary()}")
        self._services.room_made()

    async def _apply(self, due: list[Resize]) -> None:
        state, runtime = self._state, self._services.runtime
        sandbox = self._services.view.get(state.uid).sandbox
        if not due or sandbox is None:
            return
        await self._check_memory(due)
        for each in due:
            await runtime.update_resources(each.status.id, resources(each.wanted))
            state.actual[each.container.name, each.status.attempt] = each.wanted

    async def _tighten(self) -> None:
        """The pod's own limits again, as they are to be now."""
        sandbox = self._services.view.get(self._state.uid).sandbox
        if self._loose and sandbox is not None:
            limits = pod_resources(self._state.allocated)
            await self._services.runtime.update_pod_resources(sandbox.id, limits)
            self._loose = False

    async def _check_memory(self, due: list[Resize]) -> None:
        """Raises RuntimeFault where a limit would be lowered below what is in use: the kernel would kill for it."""
        lowered = {each.status.id: (each, limit) for each in due if (limit := each.lowers_memory_to) is not None}
        for used in await self._services.runtime.usage() if lowered else ():
            if used.container_id not in lowered:
                continue
            each, limit = lowered[used.container_id]
            if used.memory_bytes >= limit:
                name, usage = each.container.name, used.memory_bytes
                words = f'attempting to set container "{name}" memory limit ({limit}) below current usage ({usage})'
                raise RuntimeFault("ResizeError", f"cannot decrease memory limits: {words}")

    @property
    def _generation(self) -> int:
        return int(metadata(self._state.pod).get("generation") or 0)

    def _summary(self, error: str = "") -> str:
        return summary(self._state.pod, self._generation, error)
