"""One pod from its arrival to its end: wakes when something changed, decides, acts, publishes.

A worker sleeps until the pod, the runtime, a probe, an object it uses or a timer wakes it. It then takes one step:
look, ``plan``, carry out. Steps never overlap. A step that starts containers is broken off when the pod is to end; one
that stops them is begun anew when the pod is to end sooner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from agent.pods.container_status import StatusInput
from agent.pods.lastwords import last_words, mute_failures, with_words
from agent.pods.model import (
    TERMINAL_PHASES,
    active_deadline,
    deletion_grace_seconds,
    find_container,
    full_name,
    is_static,
    spec_of,
    start_time,
    status_of,
)
from agent.pods.observation import ProbeResult
from agent.pods.plan import plan
from agent.pods.probes.check import Answer
from agent.pods.probes.manager import PodProbes
from agent.pods.probes.prober import ProbeKind
from agent.pods.resize import adopted_actual, adopted_allocation, allocation_of, resizes
from agent.pods.resizing import PodResizer
from agent.pods.services import PodServices
from agent.pods.state import PodState
from agent.pods.status import Outcome, StatusFacts, generate_status
from agent.pods.sync import PodSync
from agent.pods.teardown import PodTeardown
from agent.runtime.protocol import RuntimeFault
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.meta import is_deleting, metadata
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)


class Stage(StrEnum):
    """How far the pod is. STOPPED: nothing runs any more, but the API server still has the pod."""

    NEW = "new"
    SYNCING = "syncing"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CLEARED = "cleared"


class PodWorker:
    """Runs one pod. ``on_cleared(uid)`` is called when nothing is left of it."""

    def __init__(self, pod: Object, *, services: PodServices, on_cleared: Callable[[str], None]) -> None:
        self.state = PodState(pod, services.recorder)
        self.stage = Stage.NEW
        self._services = services
        self._on_cleared = on_cleared
        self._removed = False
        self._wake = asyncio.Event()
        self._timer: Timer | None = None
        self._due = 0.0
        self._step: asyncio.Task[None] | None = None
        self._retry = Backoff(1.0, 30.0)
        self._tasks = TaskSet(f"pod-{full_name(pod)}")
        self._refreshes = TaskSet(f"volumes-{full_name(pod)}")
        self._probes = PodProbes(
            runtime=services.runtime, clock=services.clock, on_result=self.changed, on_answer=self._probe_answered
        )
        self._sync = PodSync(self.state, services, self.publish)
        self._teardown = PodTeardown(self.state, services)
        self._resizer = PodResizer(self.state, services, self.publish)

    @property
    def pod(self) -> Object:
        """The pod as last given."""
        return self.state.pod

    def start(self) -> None:
        """Begin."""
        self._wake.set()
        self._tasks.spawn(self._run(), name="worker")

    async def stop(self) -> None:
        """Leave the pod as it is: what runs goes on running."""
        if self._timer is not None:
            self._timer.cancel()
        await self._probes.stop()
        await self._refreshes.close()
        await self._tasks.close()

    def observe(self, pod: Object) -> None:
        """A newer version in which nothing has changed that the pod's containers depend on."""
        self.state.pod = pod

    def update(self, pod: Object) -> None:
        """The API server has a newer version."""
        before, self.state.pod = self.state.pod, pod
        if is_deleting(pod) and deletion_grace_seconds(before) != deletion_grace_seconds(pod):
            self._interrupt()
        if spec_of(before) != spec_of(pod):
            self._sync.retry_now()
            self._resizer.consider()
        self._refresh_volumes(before, pod)
        self.changed()

    def evict(self, message: str) -> None:
        """The node does not want the pod any more: it fails, at once."""
        state = self.state
        if state.outcome is not None or self._must_end() or self.stage is not Stage.SYNCING:
            return
        state.events.warning("Evicted", message)
        state.outcome = Outcome("Failed", "Evicted", message)
        self._interrupt()
        self.changed()

    def retry_resize(self) -> None:
        """There may be room on the node for a resize that was deferred."""
        if self.state.resize_deferred:
            self._resizer.consider()
            self.changed()

    def remove(self) -> None:
        """The API server has the pod no more."""
        self._removed = True
        if self.stage is not Stage.STOPPED:
            self._interrupt()
        self._wake.set()

    def changed(self) -> None:
        """The runtime, a probe or an object shows something new."""
        if self.stage is not Stage.NEW:
            self.publish()
        self._wake.set()

    def refresh_volumes(self) -> None:
        """Something that the pod's volumes are made of has changed."""
        self._sync.retry_now()
        if self.state.volumes is not None and self.stage is Stage.SYNCING:
            self._refreshes.spawn(self._services.volumes.refresh(self.pod), name="volumes")
        self._wake.set()

    def publish(self) -> None:
        """Compute the status from what is known now and hand it on."""
        state, services = self.state, self._services
        if self._removed or self.stage is Stage.CLEARED:
            return
        previous = services.statuses.get(state.uid) or status_of(state.pod)
        seen = with_words(services.view.get(state.uid), state.last_words)
        given = StatusInput(state.allocated, previous, seen, self._probes.results(), state.failures, state.resize_facts)
        facts = StatusFacts(services.clock.now(), services.node.ips, state.ips, state.terminal, state.outcome)
        status = generate_status(given, facts)
        services.statuses.set(state.pod, status, lazily=self._is_only_starting(status))

    def _is_only_starting(self, status: Object) -> bool:
        return status["phase"] == "Pending" and not self.state.failures and not is_deleting(self.pod)

    def _interrupt(self) -> None:
        if self._step is not None:
            self._step.cancel()

    async def _run(self) -> None:
        while self.stage is not Stage.CLEARED:
            await self._wake.wait()
            self._wake.clear()
            self._step = self._tasks.spawn(self._guarded(), name="step")
            await asyncio.wait({self._step})
            if self._step.cancelled():
                self._wake.set()
            elif self._step.exception() is not None:  # a defect of ours: logged by the task set, and not the pod's end
                self._wake_after(self._retry.next())
        self._on_cleared(self.state.uid)

    async def _guarded(self) -> None:
        """One step; a runtime that fails is tried again."""
        try:
            await self._advance()
            self._retry.reset()
        except (RuntimeFault, OSError) as fault:
            delay = self._retry.next()
            _log.warning("pod %s: %s; again in %gs", full_name(self.pod), fault, delay)
            self._wake_after(delay)

    async def _advance(self) -> None:
        if self.stage is Stage.NEW:
            await self._begin()
        await self._read_last_words()
        if self.stage is Stage.SYNCING and not self._must_end():
            await self._synchronize()
        if self._must_end() and self.stage in (Stage.SYNCING, Stage.STOPPING):
            await self._end()
        if self.stage is Stage.STOPPED and (self._removed or is_deleting(self.pod)):
            await self._leave()

    async def _begin(self) -> None:
        """Take over what is there already, or ask whether the node can have the pod at all."""
        state, services = self.state, self._services
        await self._sync.adopt()
        if not services.view.get(state.uid).sandboxes and not self._must_end():
            state.outcome = await services.admit(state.pod)
            state.allocation = allocation_of(state.pod)
            if state.outcome is not None:
                state.events.warning(state.outcome.reason, state.outcome.message)
        else:
            self._adopt_resources()
        self.stage = Stage.SYNCING
        if services.view.get(state.uid).sandbox is not None:
            self._refreshes.spawn(self._sync.adopt_volumes(), name="adopt")
        await self._probes.follow(self.pod, services.view.get(state.uid), state.pod_ip)
        self.publish()

    def _adopt_resources(self) -> None:
        state = self.state
        status = self._services.statuses.get(state.uid) or status_of(state.pod)
        state.allocation = adopted_allocation(state.pod, status)
        state.actual = adopted_actual(status, self._services.view.get(state.uid))
        self._resizer.consider()

    async def _read_last_words(self) -> None:
        state = self.state
        for status in mute_failures(state.pod, self._services.view.get(state.uid), state.last_words):
            assert status.log_path is not None
            state.last_words[status.id] = await asyncio.to_thread(last_words, status.log_path)
            self.publish()

    def _must_end(self) -> bool:
        if self._removed or is_deleting(self.pod) or self.state.outcome is not None:
            return True
        return self.stage in (Stage.STOPPING, Stage.STOPPED) or self._is_over()

    def _is_over(self) -> bool:
        """Whether the pod's phase, as published or about to be, is one that no pod leaves."""
        ours = self._services.statuses.get(self.state.uid) or {}
        return ours.get("phase") in TERMINAL_PHASES or status_of(self.pod).get("phase") in TERMINAL_PHASES

    async def _synchronize(self) -> None:
        state, services = self.state, self._services
        if self._deadline_passed():
            return
        seen = services.view.get(state.uid)
        state.forget_failures()
        restarts = {each.container.name for each in resizes(state.allocated, seen, state.actual) if each.restart}
        actions = plan(state.allocated, seen, self._probes.results(), frozenset(restarts))
        if actions.kill_pod and not actions.create_sandbox:
            self.stage = Stage.STOPPING
            return
        await self._resizer.loosen()
        if not actions.idle:
            self._wake_after(await self._sync.run(actions))
        self._wake_after(await self._resizer.apply())
        await self._probes.follow(self.pod, services.view.get(state.uid), state.pod_ip)

    def _deadline_passed(self) -> bool:
        """activeDeadlineSeconds counts from status.startTime. Sets the outcome, or the timer."""
        seconds = active_deadline(self.pod)
        begun = start_time(self._services.statuses.get(self.state.uid) or status_of(self.pod))
        if seconds is None or begun is None:
            return False
        left = (begun + timedelta(seconds=seconds) - self._services.clock.now()).total_seconds()
        if left > 0:
            self._wake_after(left)
            return False
        message = "Pod was active on the node longer than the specified deadline"
        self.state.outcome = Outcome("Failed", "DeadlineExceeded", message)
        self.state.events.normal("DeadlineExceeded", message)
        self.publish()
        return True

    async def _end(self) -> None:
        self.stage = Stage.STOPPING
        await self._refreshes.close()  # one that went on would look up again what the teardown lets go
        await self._probes.stop_restarting()
        self.publish()
        await self._teardown.stop(removed=self._removed)
        await self._probes.stop()
        self.state.terminal = True
        self.stage = Stage.STOPPED
        self.publish()
        self._services.room_made()

    async def _leave(self) -> None:
        """The pod has ended and is not wanted any more. Finalizers may keep its object; nothing of it is left here."""
        if not self._removed and not is_static(self.pod):
            await self._teardown.delete_from_api()
        await self._teardown.clear()
        self.stage = Stage.CLEARED

    def _wake_after(self, seconds: float | None) -> None:
        """Wake at the earliest of the times asked for."""
        if seconds is None:
            return
        due = self._services.clock.monotonic() + seconds
        if self._timer is not None and self._due <= due and self._due > self._services.clock.monotonic():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._services.clock.call_later(seconds, self._wake.set)

    def _refresh_volumes(self, before: Object, after: Object) -> None:
        old, new = metadata(before), metadata(after)
        if any(old.get(key) != new.get(key) for key in ("labels", "annotations")):
            self.refresh_volumes()

    def _probe_answered(self, name: str, kind: ProbeKind, answer: Answer) -> None:
        container = find_container(self.pod, name)
        if container is None or (answer.result is ProbeResult.SUCCESS and not answer.warning):
            return
        events, title = self.state.events.of(container), kind.value.capitalize()
        if answer.result is ProbeResult.FAILURE:
            events.warning("Unhealthy", f"{title} probe failed: {answer.output}")
        elif answer.warning:
            events.warning("ProbeWarning", f"{title} probe warning: {answer.output}")
        else:
            events.warning("Unhealthy", f"{title} probe errored and resulted in unknown state: {answer.output}")
