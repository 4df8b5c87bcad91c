"""Starts the Jobs of CronJobs on time, keeps their list, and clears their history."""

from __future__ import annotations

from minikube_py.api.errors import AlreadyExists, NotFound, StatusError
from minikube_py.api.meta import format_time, is_deleting, metadata, name_of, namespace_of, uid_of
from minikube_py.api.resources import CRONJOBS, JOBS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.conditions import compact
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.cronjob import plan
from minikube_py.controllers.cronjob.schedule import Schedule, parse_schedule, zone_of
from minikube_py.controllers.podcontrol import namespace_is_terminating


class CronJobController(Controller):
    """One key per CronJob; a timer per key, none where nothing is scheduled."""

    name = "cronjob-controller"
    account = "cronjob-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._crons = self.follow(CRONJOBS)
        self._jobs = self.follow(JOBS, _cron_of)
        ownership.index_by_controller(self._jobs)

    async def reconcile(self, key: ObjectKey) -> None:
        cron = self._crons.get(*key)
        if cron is None:
            return
        jobs = ownership.owned(self._jobs, cron)
        cron = await self._write_status(cron, jobs)
        if is_deleting(cron):
            return
        schedule = self._schedule(cron)
        if schedule is not None:
            await self._step(key, cron, schedule, jobs)
        for job in plan.outdated(cron, ownership.owned(self._jobs, cron)):
            await self._delete(cron, job)

    def _schedule(self, cron: Object) -> Schedule | None:
        spec = plan.spec_of(cron)
        text, zone = str(spec.get("schedule") or ""), spec.get("timeZone")
        try:
            zone_of(zone)
        except ValueError as error:
            self.events.event(cron, "Warning", "UnknownTimeZone", f'invalid timeZone: "{zone}": {error}')
            return None
        try:
            return parse_schedule(text, zone)
        except ValueError as error:
            self.events.event(cron, "Warning", "UnparseableSchedule", f'unparseable schedule: "{text}" : {error}')
            return None

    async def _step(self, key: ObjectKey, cron: Object, schedule: Schedule, jobs: list[Object]) -> None:
        active = [job for job in jobs if plan.is_finished(job) is None]
        step = plan.plan_step(cron, schedule, active, self.clock.now())
        for kind, reason, message in step.events:
            self.events.event(cron, kind, reason, message)
        for job in step.delete:
            await self._delete(cron, job)
        if step.create is not None and step.scheduled is not None and await self._create(cron, step.create):
            status = cron.get("status") or {}
            running = [job for job in ownership.owned(self._jobs, cron) if plan.is_finished(job) is None]
            await self.writes.update_status(
                CRONJOBS,
                cron,
                status
                | {
                    "lastScheduleTime": format_time(step.scheduled),
                    "active": plan.active_references(running),
                },
            )
        if step.again_in is not None:
            self.queue.add_after(key, step.again_in)

    async def _create(self, cron: Object, job: Object) -> bool:
        """Start the Job; one that is there already was started by an earlier, interrupted round."""
        try:
            created = await self.writes.create(JOBS, job)
        except AlreadyExists:
            there = await self.context.client.get(JOBS, name_of(job), namespace_of(job))
            return any(ref.get("uid") == uid_of(cron) for ref in metadata(there).get("ownerReferences") or ())
        except StatusError as error:
            if namespace_is_terminating(error):
                return False
            self.events.event(cron, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        self.events.event(cron, "Normal", "SuccessfulCreate", f"Created job {name_of(created)}")
        return True

    async def _delete(self, cron: Object, job: Object) -> None:
        try:
            if await self.writes.delete(JOBS, job, propagation="Background"):
                self.events.event(cron, "Normal", "SuccessfulDelete", f"Deleted job {name_of(job)}")
        except NotFound:
            pass

    async def _write_status(self, cron: Object, jobs: list[Object]) -> Object:
        """The running Jobs, and the last success; says so for each that has finished or is gone meanwhile."""
        status = cron.get("status") or {}
        listed = {entry.get("uid") for entry in status.get("active") or ()}
        for name in plan.missing(cron, jobs):
            self.events.event(cron, "Normal", "MissingJob", f"Active job went missing: {name}")
        for job in jobs:
            finished = plan.is_finished(job)
            if finished and uid_of(job) in listed:
                message = f"Saw completed job: {name_of(job)}, condition: {finished}"
                self.events.event(cron, "Normal", "SawCompletedJob", message)
        running = [job for job in jobs if plan.is_finished(job) is None]
        if {uid_of(job) for job in running} == listed and plan.last_success(cron, jobs) == status.get(
            "lastSuccessfulTime"
        ):
            return cron
        changed = status | {
            "active": plan.active_references(running),
            "lastSuccessfulTime": plan.last_success(cron, jobs),
        }
        return await self.writes.update_status(CRONJOBS, cron, compact(changed))


def _cron_of(job: Object) -> list[ObjectKey]:
    key = ownership.owner_key(job, "CronJob", "batch")
    return [key] if key else []
