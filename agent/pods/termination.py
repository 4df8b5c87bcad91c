"""Stopping containers: preStop, the stop signal, the grace period, and the order among a pod's containers.

Main containers stop together; sidecars stop after them, last started first, within what is left of the pod's grace
period (KEP-753). The hook's time counts, and every container gets at least two seconds for its signal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from agent.pods.deadline import time_limit
from agent.pods.events import PodEvents
from agent.pods.hooks import HookFault, HookRunner
from agent.pods.model import MINIMUM_GRACE_SECONDS, Container, Role, find_container, init_containers
from agent.pods.observation import PodObservation
from agent.runtime.protocol import ContainerStatus, Runtime
from minikube_py.aio.clock import Clock
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StopOrder:
    """How one container is to be stopped. ``message`` is the Killing event's."""

    status: ContainerStatus
    message: str
    grace_seconds: float


class ContainerStopper:
    """Stops containers of pods; knows nothing of why."""

    def __init__(self, *, runtime: Runtime, hooks: HookRunner, clock: Clock) -> None:
        self._runtime = runtime
        self._hooks = hooks
        self._clock = clock

    async def stop_pod(self, pod: Object, seen: PodObservation, grace: float, pod_ip: str, events: PodEvents) -> None:
        """Stop every running container within ``grace`` seconds. Raises RuntimeFault."""
        deadline = self._clock.monotonic() + grace
        sidecars = {one.name: index for index, one in enumerate(init_containers(pod)) if one.role is Role.SIDECAR}
        running = seen.running()
        first = [status for status in running if status.name not in sidecars]
        await self._stop_together(pod, first, lambda: grace, pod_ip, events)
        later = sorted((one for one in running if one.name in sidecars), key=lambda one: -sidecars[one.name])
        for status in later:
            await self._stop_together(pod, [status], lambda: deadline - self._clock.monotonic(), pod_ip, events)

    async def stop_one(self, pod: Object, order: StopOrder, pod_ip: str, events: PodEvents) -> None:
        """preStop, signal, wait, kill. Returns when the container has exited. Raises RuntimeFault."""
        container = find_container(pod, order.status.name)
        told = events.of(container) if container else events
        told.normal("Killing", order.message)
        left = order.grace_seconds
        if container is not None and left > 0:
            left -= await self._pre_stop(container, order, pod_ip, told)
        await self._runtime.stop_container(order.status.id, grace_seconds=max(left, MINIMUM_GRACE_SECONDS))

    async def _stop_together(
        self,
        pod: Object,
        statuses: list[ContainerStatus],
        grace: Callable[[], float],
        pod_ip: str,
        events: PodEvents,
    ) -> None:
        orders = [StopOrder(one, f"Stopping container {one.name}", grace()) for one in statuses]
        results = await asyncio.gather(
            *(self.stop_one(pod, order, pod_ip, events) for order in orders), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _pre_stop(self, container: Container, order: StopOrder, pod_ip: str, events: PodEvents) -> float:
        """Run the hook within the grace period. Returns the seconds it took."""
        handler = (container.spec.get("lifecycle") or {}).get("preStop")
        if not handler:
            return 0.0
        begun = self._clock.monotonic()
        try:
            async with time_limit(self._clock, order.grace_seconds):
                await self._hooks.run(handler, order.status.id, container.spec, pod_ip)
        except HookFault as fault:
            _log.info("preStop of %s: %s", container.name, fault)
            events.warning("FailedPreStopHook", "PreStopHook failed")
        except TimeoutError:
            _log.info("preStop of %s did not end within the grace period", container.name)
        return self._clock.monotonic() - begun
