"""Carries out a plan: the I/O of bringing one pod closer to what it should be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

from agent.pods.container_status import StartFailure
from agent.pods.failures import StartRefused
from agent.pods.images import ImagePuller
from agent.pods.model import Container, Role, find_container, full_name, probe_grace_seconds, termination_grace_seconds
from agent.pods.plan import Kill, KillReason, PodActions
from agent.pods.sandbox import SandboxMaker
from agent.pods.services import PodServices
from agent.pods.specs import pod_paths
from agent.pods.starter import ContainerStarter, PodSetting
from agent.pods.state import PodState
from agent.pods.termination import StopOrder
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.manager import MountedVolumes
from agent.runtime.protocol import ContainerState, ContainerStatus

_log = logging.getLogger(__name__)
A = TypeVar("A")
B = TypeVar("B")

#: When a failure that nothing announces the end of is looked at again.
RETRY_SECONDS = 10.0
_PROBE_FIELDS = {KillReason.LIVENESS: "livenessProbe", KillReason.STARTUP: "startupProbe"}


class PodSync:
    """Executes plans of one pod. ``publish`` is called whenever its status may have changed."""

    def __init__(self, state: PodState, services: PodServices, publish: Callable[[], None]) -> None:
        self._state = state
        self._services = services
        self._publish = publish
        self._held: dict[str, float] = {}
        self._paths = pod_paths(services.node.state_dir, state.pod)
        self._sandboxes = SandboxMaker(services)
        images = ImagePuller(runtime=services.runtime, clock=services.clock)
        self._starter = ContainerStarter(
            runtime=services.runtime,
            environment=services.environment,
            images=images,
            hooks=services.hooks,
            memory_capacity=services.node.memory_bytes,
        )

    async def run(self, actions: PodActions) -> float | None:
        """Carry out one plan. Returns the seconds after which to look again, None where an event will tell."""
        if actions.create_sandbox and actions.kill_pod:
            await self._clear_dead_sandbox()
        if actions.kill:
            await asyncio.gather(*(self._kill(kill) for kill in actions.kill))
            await self._services.view.refresh()
        try:
            setting = await self._prepare(actions)
        except StartRefused as refusal:
            await self._services.view.refresh()
            self._publish()
            return RETRY_SECONDS if refusal.retry_after is None else refusal.retry_after
        names = [*actions.start_ephemeral, *actions.start_init, *actions.start]
        retry = await self._start_all(setting, names)
        if names:
            await self._services.view.refresh()
        self._publish()
        return retry

    def retry_now(self) -> None:
        """What made starts fail may have changed: do not hold them back any longer."""
        self._held.clear()

    async def adopt(self) -> None:
        """Take over a pod that runs already: its addresses and volumes, touching nothing that runs."""
        sandbox = self._services.view.get(self._state.uid).sandbox
        if sandbox is not None:
            self._state.ips = await self._sandboxes.connect(self._state.pod, sandbox)

    async def adopt_volumes(self) -> None:
        """Follow again what an adopted pod's volumes are made of. It has them already: nothing waits for this."""
        try:
            volumes = await self._services.volumes.setup(self._state.pod)
        except VolumeError as error:
            _log.info("pod %s keeps its volumes as they are: %s", self._state.uid, error)
            return
        if self._state.volumes is None:
            self._state.volumes = volumes

    async def _prepare(self, actions: PodActions) -> PodSetting:
        """Volumes and sandbox, made at the same time where both are missing. Raises StartRefused."""
        state = self._state
        volumes, sandbox_id = await _both(self._volumes(), self._sandbox(create=actions.create_sandbox))
        running = {status.name: status.id for status in self._services.view.get(state.uid).running()}
        return PodSetting(state.allocated, sandbox_id, state.ips, volumes, self._paths, state.events, running)

    async def _volumes(self) -> MountedVolumes:
        state = self._state
        if state.volumes is None:
            try:
                state.volumes = await self._services.volumes.setup(state.pod)
            except VolumeError as error:
                state.events.warning("FailedMount", str(error))
                raise StartRefused("FailedMount", str(error)) from error
        return state.volumes

    async def _sandbox(self, *, create: bool) -> str:
        state, view = self._state, self._services.view
        sandbox = view.get(state.uid).sandbox
        if sandbox is None and create:
            # Listed with the containers that are started in it: one listing less between a pod and its start.
            sandbox, state.ips = await self._sandboxes.make(state.allocated, self._paths, state.events)
        if sandbox is None:
            raise StartRefused("SandboxLost", "the sandbox is gone", retry_after=0.0)
        return sandbox.id

    async def _clear_dead_sandbox(self) -> None:
        """Remove what is left of a sandbox that died; the containers' attempts and ends stay known."""
        state, services = self._state, self._services
        seen = services.view.get(state.uid)
        state.events.normal("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        for name in seen.history:
            state.attempts[name] = state.next_attempt(name, seen) - 1
        self._publish()
        await services.host_ports.close(state.uid)
        await services.network.detach(state.uid)
        state.ips = ()
        for sandbox in seen.sandboxes:
            await services.runtime.stop_sandbox(sandbox.id)
            await services.runtime.remove_sandbox(sandbox.id)
        await services.view.refresh()

    async def _kill(self, kill: Kill) -> None:
        state = self._state
        container = find_container(state.pod, kill.container.name)
        grace = float(termination_grace_seconds(state.pod))
        if container is not None and kill.reason in _PROBE_FIELDS:
            grace = float(probe_grace_seconds(state.pod, container, _PROBE_FIELDS[kill.reason]))
        order = StopOrder(kill.container, kill.message, grace)
        await self._services.stopper.stop_one(state.pod, order, state.pod_ip, state.events)

    async def _start_all(self, setting: PodSetting, names: Iterable[str]) -> float | None:
        """Start in order; the failure of a plain init container keeps what comes after it waiting."""
        retries = []
        for name in names:
            container = find_container(setting.pod, name)
            if container is None:
                continue
            retry = self._left(name) or await self._start(setting, container)
            if retry:
                retries.append(retry)
                if container.role is Role.INIT:
                    break
        return min(retries, default=None)

    async def _start(self, setting: PodSetting, container: Container) -> float | None:
        state, name = self._state, container.name
        seen = self._services.view.get(state.uid)
        try:
            self._check_backoff(container, seen.latest(name))
            await self._remove_old_attempts(seen.history.get(name, ()))
            attempt = state.next_attempt(name, seen)
            state.attempts[name] = attempt
            state.actual[name, attempt] = container.spec.get("resources") or {}
            await self._starter.start(setting, container, attempt)
        except StartRefused as refusal:
            state.failures[name] = StartFailure(refusal.reason, refusal.message)
            self._publish()
            return self._hold(name, RETRY_SECONDS if refusal.retry_after is None else refusal.retry_after)
        state.failures.pop(name, None)
        if (container.spec.get("lifecycle") or {}).get("postStart") or container.role is Role.INIT:
            await self._services.view.refresh()
        return None

    def _hold(self, name: str, seconds: float) -> float:
        """A start that failed is not tried again at every event in between."""
        self._held[name] = self._services.clock.monotonic() + seconds
        return seconds

    def _left(self, name: str) -> float | None:
        left = self._held.get(name, 0.0) - self._services.clock.monotonic()
        if left > 0:
            return left
        self._held.pop(name, None)
        return None

    def _check_backoff(self, container: Container, status: ContainerStatus | None) -> None:
        """Raises StartRefused (CrashLoopBackOff) while a container that ended has to wait."""
        if status is None or status.state is not ContainerState.EXITED:
            return
        state, name, now = self._state, container.name, self._services.clock.now()
        ended = status.finished_at or now
        # Another image is another program: it starts over (the kubelet's key is a hash of name and image).
        key = f"{name} {container.spec.get('image')}"
        left = state.backoff.remaining(key, ended, now)
        if left <= 0:
            state.backoff.next(key, ended)
            return
        where = full_name(state.pod)
        message = f"back-off {go_duration(state.backoff.delay(key))} restarting failed container={name} pod={where}"
        events = state.events.of(container)
        events.warning("BackOff", f"Back-off restarting failed container {name} in pod {where}")
        raise StartRefused("CrashLoopBackOff", message, retry_after=left)

    async def _remove_old_attempts(self, attempts: tuple[ContainerStatus, ...]) -> None:
        """Keep the newest attempt as the next one's last state, and remove those before it with their logs."""
        for status in attempts[1:]:
            await self._services.runtime.remove_container(status.id)
            if status.log_path is not None:
                await asyncio.to_thread(_remove_logs, status.log_path)


def _remove_logs(path: Path) -> None:
    """An attempt's log with what was rotated away from it."""
    for log in path.parent.glob(f"{path.name}*"):
        log.unlink(missing_ok=True)


async def _both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Run two side by side to their ends, then raise the first failure, if any."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two


def go_duration(seconds: float) -> str:
    """Whole seconds as Go prints a Duration: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
