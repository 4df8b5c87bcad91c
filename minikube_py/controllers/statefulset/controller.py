"""Keeps StatefulSets: revisions, claims, then one step of the plan."""

from __future__ import annotations

from minikube_py.api.errors import AlreadyExists, StatusError
from minikube_py.api.meta import controller_of, is_deleting, key_of, labels_of, metadata, name_of, namespace_of
from minikube_py.api.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import history, ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.podcontrol import namespace_is_terminating
from minikube_py.controllers.podstate import has_ended, seconds_until_available
from minikube_py.controllers.statefulset import identity
from minikube_py.controllers.statefulset.plan import Actions, Revisions, plan_actions, plan_status


class StatefulSetController(Controller):
    """One key per StatefulSet."""

    name = "statefulset-controller"
    account = "statefulset-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sets = self.follow(STATEFULSETS)
        self._pods = self.follow(PODS, self._owners_of_pod)
        self._revisions = self.writes.follow(CONTROLLERREVISIONS)
        self._claims = self.writes.follow(PERSISTENTVOLUMECLAIMS)
        for informer in (self._pods, self._revisions):
            ownership.index_by_controller(informer)
        ownership.index_by_namespace(self._sets)
        self._adoption = ownership.Claims(client=context.client, writes=self.writes, owners=STATEFULSETS, owned=PODS)
        self._history = history.History(client=context.client, writes=self.writes, resource=STATEFULSETS)

    async def reconcile(self, key: ObjectKey) -> None:
        sts = self._sets.get(*key)
        if sts is None:
            return
        selector = label_selector_of(identity.spec_of(sts).get("selector"))
        found = [
            pod
            for pod in ownership.candidates(self._pods, sts)
            if controller_of(pod) is not None or identity.ordinal_of(sts, pod) is not None
        ]
        pods = await self._adoption.claim(sts, selector, found)
        if is_deleting(sts):
            return
        revisions, collisions = await self._settle_revisions(sts)
        actions = plan_actions(sts, pods, revisions, self.clock.now())
        await self._own_claims(sts, pods, actions)
        error: StatusError | None = None
        try:
            await self._act(sts, actions)
        except StatusError as failure:
            error = failure
        await self._write_status(key, revisions, collisions)
        if error is not None:
            raise error

    # --- revisions -------------------------------------------------------------------------------------------------

    async def _settle_revisions(self, sts: Object) -> tuple[Revisions, int]:
        collisions = int((sts.get("status") or {}).get("collisionCount") or 0)
        existing = ownership.owned(self._revisions, sts)
        update, collisions = await self._history.current(sts, existing, collisions)
        known = {name_of(entry) for entry in existing} | {name_of(update)}
        current = (sts.get("status") or {}).get("currentRevision")
        settled = Revisions(current if current in known else name_of(update), name_of(update))
        live = {identity.revision_of_pod(pod) for pod in ownership.owned(self._pods, sts)}
        limit = identity.spec_of(sts).get("revisionHistoryLimit")
        await self._history.trim(
            ownership.owned(self._revisions, sts),
            live | {settled.current, settled.update},
            10 if limit is None else int(limit),
        )
        return settled, collisions

    def _template(self, sts: Object, revision: str) -> Object:
        """The template of a revision; the present one where the revision is not kept any more."""
        found = self._revisions.get(namespace_of(sts), revision)
        return history.template_in(found) if found is not None else identity.spec_of(sts).get("template") or {}

    # --- pods and claims -------------------------------------------------------------------------------------------

    async def _act(self, sts: Object, actions: Actions) -> None:
        for ordinal, revision in actions.create:
            await self._create(sts, ordinal, revision)
        for pod in actions.delete:
            await self._delete(sts, pod)

    async def _create(self, sts: Object, ordinal: int, revision: str) -> None:
        pod = identity.new_pod(sts, ordinal, self._template(sts, revision), revision)
        await self._create_claims(sts, ordinal, name_of(pod))
        try:
            await self.writes.create(PODS, pod)
        except StatusError as error:
            if namespace_is_terminating(error):
                return
            message = f"create Pod {name_of(pod)} in StatefulSet {name_of(sts)} failed error: {error.message}"
            self.events.event(sts, "Warning", "FailedCreate", message)
            raise
        message = f"create Pod {name_of(pod)} in StatefulSet {name_of(sts)} successful"
        self.events.event(sts, "Normal", "SuccessfulCreate", message)

    async def _create_claims(self, sts: Object, ordinal: int, pod: str) -> None:
        for claim in identity.claims_for(sts, ordinal):
            if self._claims.get(namespace_of(claim), name_of(claim)) is not None:
                continue
            claim["metadata"]["ownerReferences"] = identity.claim_owners(sts, claim, None, condemned=False)
            try:
                await self.writes.create(PERSISTENTVOLUMECLAIMS, claim)
            except AlreadyExists:
                continue
            message = f"create Claim {name_of(claim)} Pod {pod} in StatefulSet {name_of(sts)} success"
            self.events.event(sts, "Normal", "SuccessfulCreate", message)

    async def _delete(self, sts: Object, pod: Object) -> None:
        if has_ended(pod):
            state = (pod.get("status") or {}).get("phase")
            message = f"StatefulSet {key_of(sts)} is recreating {str(state).lower()} Pod {name_of(pod)}"
            self.events.event(sts, "Warning" if state == "Failed" else "Normal", f"Recreating{state}Pod", message)
        if await self.writes.delete(PODS, pod):
            message = f"delete Pod {name_of(pod)} in StatefulSet {name_of(sts)} successful"
            self.events.event(sts, "Normal", "SuccessfulDelete", message)

    async def _own_claims(self, sts: Object, pods: list[Object], actions: Actions) -> None:
        """Claims that are to go with the set or with a surplus pod have to belong to it before it goes."""
        if "Delete" not in (identity.spec_of(sts).get("persistentVolumeClaimRetentionPolicy") or {}).values():
            return
        condemned = {name_of(pod) for pod in actions.condemned}
        for pod in pods:
            ordinal = identity.ordinal_of(sts, pod)
            for wanted in identity.claims_for(sts, ordinal) if ordinal is not None else ():
                claim = self._claims.get(namespace_of(wanted), name_of(wanted))
                if claim is not None:
                    owners = identity.claim_owners(sts, claim, pod, condemned=name_of(pod) in condemned)
                    await self._set_owners(claim, owners)

    async def _set_owners(self, claim: Object, owners: list[Object]) -> None:
        if owners == (metadata(claim).get("ownerReferences") or []):
            return
        changed = claim | {"metadata": claim["metadata"] | {"ownerReferences": owners}}
        await self.writes.update(PERSISTENTVOLUMECLAIMS, changed)

    async def _write_status(self, key: ObjectKey, revisions: Revisions, collisions: int) -> None:
        sts = self._sets.get(*key)
        if sts is None:
            return
        now, pods = self.clock.now(), ownership.owned(self._pods, sts)
        await self.writes.update_status(STATEFULSETS, sts, plan_status(sts, pods, revisions, now, collisions))
        wait = seconds_until_available(pods, int(identity.spec_of(sts).get("minReadySeconds") or 0), now)
        if wait is not None:
            self.queue.add_after(key, wait + 0.001)

    def _owners_of_pod(self, pod: Object) -> list[ObjectKey]:
        if controller_of(pod) is not None:
            key = ownership.owner_key(pod, "StatefulSet", "apps")
            return [key] if key else []
        return [
            key_of(sts)
            for sts in ownership.in_namespace(self._sets, namespace_of(pod))
            if label_selector_of(identity.spec_of(sts).get("selector")).matches(labels_of(pod))
        ]
