"""Runs Jobs: counts what has ended, decides, makes and removes pods, and says so in that order."""

from __future__ import annotations

import asyncio
from datetime import datetime

from minikube_py.api.errors import NotFound
from minikube_py.api.meta import (
    condition_is_true,
    controller_of,
    format_time,
    is_deleting,
    key_of,
    labels_of,
    metadata,
    namespace_of,
    uid_of,
)
from minikube_py.api.resources import JOBS, PODS
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.conditions import compact
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.job import plan
from minikube_py.controllers.job.backoff import Streak
from minikube_py.controllers.job.tally import FINALIZER, Tally, is_tracked, status_counts, take_tally
from minikube_py.controllers.podcontrol import PodControl, is_hopeless

#: A Job of another controller (KEP-4368) is left alone.
_OWN_MANAGER = "kubernetes.io/job-controller"


class JobController(Controller):
    """One key per Job."""

    name = "job-controller"
    account = "job-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._jobs = self.follow(JOBS)
        self._pods = self.follow(PODS, self._jobs_of_pod)
        ownership.index_by_controller(self._pods)
        ownership.index_by_namespace(self._jobs)
        self._control = PodControl(writes=self.writes, events=self.events)
        self._claims = ownership.Claims(client=context.client, writes=self.writes, owners=JOBS, owned=PODS)
        self._streaks: dict[str, Streak] = {}

    async def reconcile(self, key: ObjectKey) -> None:
        job = self._jobs.get(*key)
        if job is None:
            await self._release_leftovers(key)
            return
        if not _is_ours(job):
            return
        if plan.is_finished(job) or is_deleting(job):
            self._streaks.pop(uid_of(job), None)
            await self._release(ownership.owned(self._pods, job))
            return
        selector = label_selector_of((job.get("spec") or {}).get("selector"))
        pods = await self._claims.claim(job, selector, ownership.candidates(self._pods, job))
        await self._advance(key, job, pods)

    async def _advance(self, key: ObjectKey, job: Object, pods: list[Object]) -> None:
        now = self.clock.now()
        tally = take_tally(job, pods)
        streak = self._note_streak(job, tally, now)
        result = plan.outcome(job, tally, now)
        job = await self._write_status(job, tally, result, now)
        await self._release(tally.release if result is None else [*tally.release, *tally.held])
        changes = plan.plan_pods(job, tally, now, over=result is not None)
        error = await self._control.delete_many(job, changes.delete)
        wait = self._wait(key, job, tally, streak)
        if changes.create and wait > 0:
            self.queue.add_after(key, wait)
        elif changes.create:
            error = error or await self._control.create_many(job, changes.create)
        left = plan.deadline_in(job, now)
        if left is not None and left > 0:
            self.queue.add_after(key, left)
        if error is not None and not is_hopeless(error):
            raise error

    def _wait(self, key: ObjectKey, job: Object, tally: Tally, streak: Streak) -> float:
        """Seconds before any pod may be made; where each index waits for itself, the Job comes back for the first."""
        now = self.clock.now()
        if (job.get("spec") or {}).get("backoffLimitPerIndex") is None:
            return streak.wait(now)
        waits = plan.index_waits(job, tally, now)
        if waits:
            self.queue.add_after(key, min(waits.values()))
        return 0.0

    async def _write_status(self, job: Object, tally: Tally, result: plan.Outcome | None, now: datetime) -> Object:
        old = job.get("status") or {}
        conditions = plan.plan_conditions(job, result, tally, now)
        status = old | status_counts(job, tally) | {"conditions": conditions}
        suspended = bool((job.get("spec") or {}).get("suspend"))
        if suspended:
            status.pop("startTime", None)
        else:
            status.setdefault("startTime", format_time(now))
        finished = next((kind for kind in ("Complete", "Failed") if condition_is_true(conditions, kind)), None)
        if finished == "Complete":
            status.setdefault("completionTime", format_time(now))
        status = compact(status, keep=("uncountedTerminatedPods", "ready", "terminating"))
        updated = await self.writes.update_status(JOBS, job, status)
        self._announce(job, suspended, finished, result)
        return updated

    def _announce(self, job: Object, suspended: bool, finished: str | None, result: plan.Outcome | None) -> None:
        was = condition_is_true(plan.conditions_of(job), "Suspended")
        if suspended != was:
            self.events.event(
                job, "Normal", "Suspended" if suspended else "Resumed", "Job suspended" if suspended else "Job resumed"
            )
        if finished == "Complete":
            self.events.event(job, "Normal", "Completed", "Job completed")
        elif finished == "Failed" and result is not None:
            self.events.event(job, "Warning", result.reason, result.message)

    def _note_streak(self, job: Object, tally: Tally, now: datetime) -> Streak:
        streak = self._streaks.setdefault(uid_of(job), Streak())
        if tally.newly_succeeded:
            streak.failures = 0
        if tally.newly_failed:
            streak.failures += len(tally.newly_failed)
            streak.last = now
        return streak

    # --- finalizers ------------------------------------------------------------------------------------------------

    async def _release(self, pods: list[Object]) -> None:
        await asyncio.gather(*(self._release_one(pod) for pod in pods if is_tracked(pod)))

    async def _release_one(self, pod: Object) -> None:
        left = [entry for entry in metadata(pod).get("finalizers") or () if entry != FINALIZER]
        try:
            await self.writes.patch(PODS, pod, {"metadata": {"uid": uid_of(pod), "finalizers": left or None}})
        except NotFound:
            pass

    async def _release_leftovers(self, key: ObjectKey) -> None:
        """Pods of a Job that is gone must not be held by a finalizer that nobody takes off."""
        pods = [
            pod
            for pod in self._pods.list(key.namespace)
            if is_tracked(pod) and ownership.owner_key(pod, "Job", "batch") in (key, None)
        ]
        await self._release(pods)

    def _jobs_of_pod(self, pod: Object) -> list[ObjectKey]:
        if controller_of(pod) is not None:
            key = ownership.owner_key(pod, "Job", "batch")
            return [key] if key else []
        return [
            key_of(job)
            for job in ownership.in_namespace(self._jobs, namespace_of(pod))
            if label_selector_of((job.get("spec") or {}).get("selector")).matches(labels_of(pod))
        ]


def _is_ours(job: Object) -> bool:
    return (job.get("spec") or {}).get("managedBy") in (None, _OWN_MANAGER)
