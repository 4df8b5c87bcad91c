"""Finished Jobs with ``ttlSecondsAfterFinished`` are deleted, with their pods, when the time is over (KEP-592)."""

from __future__ import annotations

from datetime import datetime, timedelta

from minikube_py.api.meta import is_deleting, parse_time
from minikube_py.api.resources import JOBS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.job import plan


def expires_at(job: Object) -> datetime | None:
    """When the Job may go; None where it stays."""
    ttl = plan.spec_of(job).get("ttlSecondsAfterFinished")
    if ttl is None:
        return None
    for condition in plan.conditions_of(job):
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return parse_time(condition["lastTransitionTime"]) + timedelta(seconds=int(ttl))
    return None


class TTLAfterFinishedController(Controller):
    """One key per Job."""

    name = "ttl-after-finished-controller"
    account = "ttl-after-finished-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._jobs = self.follow(JOBS)

    async def reconcile(self, key: ObjectKey) -> None:
        job = self._jobs.get(*key)
        if job is None or is_deleting(job):
            return
        due = expires_at(job)
        if due is None:
            return
        left = (due - self.clock.now()).total_seconds()
        if left > 0:
            self.queue.add_after(key, left)
        else:
            await self.writes.delete(JOBS, job, propagation="Foreground")
