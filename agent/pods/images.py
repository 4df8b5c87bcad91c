"""Images for containers: events, pull policy and the back-off of failed pulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.pods.crashloop import RestartBackoff
from agent.pods.events import PodEvents
from agent.pods.failures import StartRefused
from agent.runtime.protocol import ImageFault, ImageInfo, Progress, Runtime, RuntimeFault
from minikube_py.aio.clock import Clock
from minikube_py.api.types import Object

#: How often a pull that takes long tells how far it is.
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Failure:
    fault: RuntimeFault
    at: datetime


class ImagePuller:
    """Gets one pod's images. A pull that failed is tried again after 10 s, then double, up to 5 minutes."""

    def __init__(self, *, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._backoff = RestartBackoff()
        self._failed: dict[str, _Failure] = {}

    async def ensure(self, spec: Mapping[str, Any], secrets: Sequence[Object], events: PodEvents) -> ImageInfo:
        """The image of a container. Raises StartRefused with the reason that its status shows."""
        image = str(spec.get("image") or "")
        policy = str(spec.get("imagePullPolicy") or "IfNotPresent")
        if policy != "Always" and not await self._runtime.images.accessible(image, secrets):
            if policy == "Never":
                raise self._never(image, events)
            policy = "Always"  # it is here, and not for this pod: the registry decides
        if policy != "Always" and (present := await self._present(image, policy, events)) is not None:
            return present
        self._check_backoff(image, events)
        events.normal("Pulling", f'Pulling image "{image}"')
        begun = self._clock.monotonic()
        try:
            info = await self._runtime.images.ensure(
                image, pull_policy=policy, pull_secrets=secrets, on_progress=self._teller(image, events)
            )
        except RuntimeFault as fault:
            raise self._failure(image, fault, events) from fault
        took = f"{(self._clock.monotonic() - begun) * 1000:.0f}ms"
        text = f'Successfully pulled image "{image}" in {took} ({took} including waiting).'
        events.normal("Pulled", f"{text} Image size: {info.size_bytes} bytes.")
        self._forget(image)
        return info

    def _teller(self, image: str, events: PodEvents) -> Progress:
        """Says now and then how far a pull is that takes long."""
        told_at = self._clock.monotonic()

        def tell(arrived: int, total: int) -> None:
            nonlocal told_at
            if self._clock.monotonic() - told_at >= _PROGRESS_SECONDS:
                told_at = self._clock.monotonic()
                events.normal("Pulling", f'Pulling image "{image}": {arrived / 1e6:.1f} of {total / 1e6:.1f} MB')

        return tell

    async def _present(self, image: str, policy: str, events: PodEvents) -> ImageInfo | None:
        """The image if it is here. With policy Never an absent one is refused."""
        try:
            info = await self._runtime.images.ensure(image, pull_policy="Never")
        except ImageFault as fault:
            if fault.reason == "InvalidImageName":
                events.warning("InspectFailed", f'Failed to apply default image tag "{image}": {fault.message}')
                raise StartRefused(fault.reason, fault.message) from fault
            if policy != "Never":
                return None
            raise self._never(image, events) from fault
        events.normal("Pulled", f'Container image "{image}" already present on machine and can be accessed by the pod')
        self._forget(image)
        return info

    def _never(self, image: str, events: PodEvents) -> StartRefused:
        """The same whether it is absent or for others only: a pod does not learn which."""
        message = f'Container image "{image}" is not present with pull policy of Never'
        events.warning("ErrImageNeverPull", message)
        return StartRefused("ErrImageNeverPull", message)

    def _check_backoff(self, image: str, events: PodEvents) -> None:
        failure = self._failed.get(image)
        if failure is None:
            return
        left = self._backoff.remaining(image, failure.at, self._clock.now())
        if left > 0:
            events.normal("BackOff", f'Back-off pulling image "{image}"')
            fault = failure.fault
            message = f'Back-off pulling image "{image}": {fault.reason}: {fault.message}'
            raise StartRefused("ImagePullBackOff", message, retry_after=left)

    def _failure(self, image: str, fault: RuntimeFault, events: PodEvents) -> StartRefused:
        now = self._clock.now()
        events.warning("Failed", f'Failed to pull image "{image}": {fault.message}')
        self._backoff.next(image, now)
        self._failed[image] = _Failure(fault, now)
        # Back at once, to show ImagePullBackOff and the time that is left, as the kubelet's next sync does.
        return StartRefused(fault.reason, fault.message, retry_after=1.0)

    def _forget(self, image: str) -> None:
        self._backoff.forget(image)
        self._failed.pop(image, None)
