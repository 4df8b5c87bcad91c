"""Rolls Deployments: claims ReplicaSets, takes one step of the plan, writes the status, waits for the next event."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api.errors import AlreadyExists, StatusError
from minikube_py.api.meta import annotations_of, controller_of, is_deleting, labels_of, name_of, namespace_of
from minikube_py.api.resources import DEPLOYMENTS, PODS, REPLICASETS
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.conditions import compact, with_new_verdict
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.deployment import revisions, scaling, views
from minikube_py.controllers.deployment import status as statuses
from minikube_py.controllers.deployment.views import replicas_of, spec_of, status_of
from minikube_py.controllers.podcontrol import namespace_is_terminating
from minikube_py.controllers.podstate import has_ended


class DeploymentController(Controller):
    """``reconcile`` takes one step; the events it causes bring the next."""

    name = "deployment-controller"
    account = "deployment-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._deployments = self.follow(DEPLOYMENTS)
        self._sets = self.follow(REPLICASETS, self._owners_of_set)
        self._pods = self.writes.follow(PODS)
        self.watch(self._pods, self._recreators)
        for informer in (self._sets, self._pods):
            ownership.index_by_controller(informer)
        ownership.index_by_namespace(self._deployments)
        self._claims = ownership.Claims(
            client=context.client, writes=self.writes, owners=DEPLOYMENTS, owned=REPLICASETS
        )

    async def reconcile(self, key: ObjectKey) -> None:
        deployment = self._deployments.get(*key)
        if deployment is None:
            return
        selector = label_selector_of(spec_of(deployment).get("selector"))
        if selector.everything:
            self.events.event(
                deployment, "Warning", "SelectingAll",
                "This deployment is selecting all pods. A non-empty selector is required.",
            )  # fmt: skip
            return
        sets = await self._claims.claim(deployment, selector, ownership.candidates(self._sets, deployment))
        if not is_deleting(deployment):
            deployment = await self._note_pause(deployment)
            deployment = await self._step(deployment, sets)
        await self._write_status(deployment)

    # --- one step --------------------------------------------------------------------------------------------------

    async def _step(self, deployment: Object, sets: Sequence[Object]) -> Object:
        new = views.find_new(deployment, sets)
        old = [rs for rs in sets if rs is not new]
        if new is not None:
            new = await self._refresh(deployment, new, old)
        if spec_of(deployment).get("paused") or self._is_resized(deployment, sets):
            await self._apply(deployment, [*old, *([new] if new else [])], scaling.resize(deployment, new, old))
            if spec_of(deployment).get("paused"):
                await self._forget_history(deployment, old)
            return await self._note_revision(deployment, new)
        if views.is_rolling(deployment):
            deployment, new = await self._ensure_new(deployment, new, old)
            if new is not None:
                await self._apply(deployment, [*old, new], scaling.rolling(deployment, new, old))
        else:
            deployment, new = await self._recreate(deployment, new, old)
        if new is not None and statuses.is_complete(deployment, status_of(deployment)):
            await self._forget_history(deployment, old)
        return await self._note_revision(deployment, new)

    async def _recreate(
        self, deployment: Object, new: Object | None, old: Sequence[Object]
    ) -> tuple[Object, Object | None]:
        pods = [pod for rs in old for pod in ownership.owned(self._pods, rs)]
        busy = any(not has_ended(pod) for pod in pods)
        if not views.active(old) and not busy:
            deployment, new = await self._ensure_new(deployment, new, old)
        sizes = scaling.recreate(deployment, new, old, old_pods_run=busy)
        await self._apply(deployment, [*old, *([new] if new else [])], sizes)
        return deployment, new

    async def _refresh(self, deployment: Object, new: Object, old: Sequence[Object]) -> Object:
        changed = revisions.refreshed(deployment, new, old)
        return new if changed is None else await self.writes.update(REPLICASETS, changed)

    async def _ensure_new(
        self, deployment: Object, new: Object | None, old: Sequence[Object]
    ) -> tuple[Object, Object | None]:
        if new is not None:
            conditions = statuses.found_conditions(deployment, new, self.clock.now(), created=False)
            return await self._write_conditions(deployment, conditions), new
        empty: Object = {"spec": {"replicas": 0}}
        size = scaling.new_size(deployment, empty, [*old, empty])
        wanted = revisions.new_replica_set(deployment, old, size)
        try:
            created = await self.writes.create(REPLICASETS, wanted)
        except AlreadyExists:
            return await self._resolve_collision(deployment, wanted)
        except StatusError as error:
            if namespace_is_terminating(error):
                return deployment, None
            await self._note_failure(deployment, wanted, error)
            raise
        if size:
            self._announce(deployment, created, 0, size)
        conditions = statuses.found_conditions(deployment, created, self.clock.now(), created=True)
        return await self._write_conditions(deployment, conditions), created

    async def _resolve_collision(self, deployment: Object, wanted: Object) -> tuple[Object, Object | None]:
        """The name is taken: by our own ReplicaSet that the cache did not show yet, or by another template's."""
        there = await self.context.client.get(REPLICASETS, name_of(wanted), namespace_of(wanted))
        if revisions.is_own(deployment, there):
            return deployment, there
        count = int(status_of(deployment).get("collisionCount") or 0) + 1
        status = status_of(deployment) | {"collisionCount": count}
        return await self.writes.update_status(DEPLOYMENTS, deployment, status), None

    async def _note_failure(self, deployment: Object, wanted: Object, error: StatusError) -> None:
        message = f'Failed to create new replica set "{name_of(wanted)}": {error.message}'
        self.events.event(deployment, "Warning", "ReplicaSetCreateError", message)
        if statuses.has_deadline(deployment):
            verdict = statuses.condition(
                statuses.PROGRESSING, "False", "ReplicaSetCreateError", message, self.clock.now()
            )
            conditions = with_new_verdict(status_of(deployment).get("conditions"), verdict)
            await self._write_conditions(deployment, conditions)

    async def _apply(self, deployment: Object, sets: Sequence[Object], sizes: scaling.Sizes) -> None:
        """Write the sizes; a ReplicaSet that keeps its size still learns the new size of the whole."""
        for rs in sets:
            size = sizes.get(name_of(rs), replicas_of(rs))
            if name_of(rs) not in sizes and not replicas_of(rs):
                continue
            changed = revisions.sized(deployment, rs, size)
            if changed is None:
                continue
            await self.writes.update(REPLICASETS, changed)
            if size != replicas_of(rs):
                self._announce(deployment, rs, replicas_of(rs), size)

    async def _forget_history(self, deployment: Object, old: Sequence[Object]) -> None:
        for rs in revisions.forgettable(deployment, old):
            await self.writes.delete(REPLICASETS, rs)

    def _is_resized(self, deployment: Object, sets: Sequence[Object]) -> bool:
        """Whether ``spec.replicas`` has changed since the running ReplicaSets were last sized."""
        noted = (views.annotation_number(rs, views.DESIRED_REPLICAS) for rs in views.active(sets))
        return any(number is not None and number != replicas_of(deployment) for number in noted)

    def _announce(self, deployment: Object, rs: Object, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {name_of(rs)} from {before} to {after}"
        self.events.event(deployment, "Normal", "ScalingReplicaSet", message)

    # --- what is written on the Deployment -------------------------------------------------------------------------

    async def _note_pause(self, deployment: Object) -> Object:
        return await self._write_conditions(deployment, statuses.paused_conditions(deployment, self.clock.now()))

    async def _write_conditions(self, deployment: Object, conditions: list[Object]) -> Object:
        status = compact(status_of(deployment) | {"conditions": conditions})
        if status == compact(status_of(deployment)):
            return deployment
        return await self.writes.update_status(DEPLOYMENTS, deployment, status)

    async def _note_revision(self, deployment: Object, new: Object | None) -> Object:
        if new is None or views.revision_of(new) == views.revision_of(deployment):
            return deployment
        annotations = annotations_of(deployment) | {views.REVISION: str(views.revision_of(new))}
        return await self.writes.update(
            DEPLOYMENTS, deployment | {"metadata": deployment["metadata"] | {"annotations": annotations}}
        )

    async def _write_status(self, deployment: Object) -> None:
        sets = ownership.owned(self._sets, deployment)
        now = self.clock.now()
        new = views.find_new(deployment, sets)
        status = statuses.plan_status(deployment, new, sets, now)
        if status != compact(status_of(deployment)):
            await self.writes.update_status(DEPLOYMENTS, deployment, status)
        wait = statuses.deadline_in(deployment, status, now)
        if wait is not None:
            self.queue.add_after(ObjectKey(namespace_of(deployment), name_of(deployment)), wait)

    # --- which Deployments an event concerns -----------------------------------------------------------------------

    def _owners_of_set(self, rs: Object) -> list[ObjectKey]:
        if controller_of(rs) is not None:
            key = ownership.owner_key(rs, "Deployment", "apps")
            return [key] if key else []
        return [
            ObjectKey(namespace_of(deployment), name_of(deployment))
            for deployment in ownership.in_namespace(self._deployments, namespace_of(rs))
            if label_selector_of(spec_of(deployment).get("selector")).matches(labels_of(rs))
        ]

    def _recreators(self, pod: Object) -> list[ObjectKey]:
        """A Recreate Deployment waits for its old pods to be gone, which no ReplicaSet's status tells."""
        set_key = ownership.owner_key(pod, "ReplicaSet", "apps")
        rs = self._sets.get(*set_key) if set_key else None
        key = ownership.owner_key(rs, "Deployment", "apps") if rs is not None else None
        deployment = self._deployments.get(*key) if key else None
        return [key] if key and deployment is not None and not views.is_rolling(deployment) else []
