"""Binds PersistentVolumeClaims to PersistentVolumes that are there already, and says of both how they stand.

A claim is one key, and so is a volume (whose namespace is ""). The volume is written first: the two halves of a binding
are two writes, and a claim of a volume that was given to somebody else meanwhile would be a lost one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from minikube_py.api.meta import annotations_of, key_of, name_of, namespace_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from minikube_py.api.types import Object, ObjectKey
from minikube_py.api.volumeclaims import claims_of, held_volume
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.volumes.plan import (
    Choice,
    ClaimPlan,
    bound_claim,
    claim_status,
    freed_volume,
    plan_claim,
    plan_volume,
)

_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
_BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"


class PersistentVolumeBinder(Controller):
    """One worker: two claims that looked for a volume at once would find the same one."""

    name = "persistentvolume-controller"
    account = "persistent-volume-binder"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._claims = self.writes.follow(PERSISTENTVOLUMECLAIMS)
        self._volumes = self.writes.follow(PERSISTENTVOLUMES)
        self._classes = context.informers.of(STORAGECLASSES)
        self._pods = context.informers.of(PODS)
        ownership.index_by_namespace(self._pods)
        self.watch(self._claims, self._of_claim)
        self.watch(self._volumes, self._of_volume)
        self.watch(self._classes, lambda _kind: self._pending())

    async def reconcile(self, key: ObjectKey) -> None:
        if key.namespace:
            claim = self._claims.get(*key)
            if claim is not None:
                await self._reconcile_claim(claim)
            return
        volume = self._volumes.get("", key.name)
        if volume is not None:
            await self._reconcile_volume(volume)

    async def _reconcile_claim(self, claim: Object) -> None:
        plan = plan_claim(claim, self._choice(claim))
        if plan.volume is not None:
            await self._bind(claim, plan.volume)
        elif plan.storage_class:
            spec = claim["spec"] | {"storageClassName": plan.storage_class}
            await self.writes.update(PERSISTENTVOLUMECLAIMS, claim | {"spec": spec})
        else:
            await self._wait(claim, plan)

    def _choice(self, claim: Object) -> Choice:
        return Choice(
            volume=lambda name: self._volumes.get("", name),
            volumes=self._volumes.list(),
            classes=self._classes.list(),
            waiting_pods=[name_of(pod) for pod in self._users(claim) if not (pod.get("spec") or {}).get("nodeName")],
        )

    def _users(self, claim: Object) -> list[Object]:
        pods = ownership.in_namespace(self._pods, namespace_of(claim))
        return [pod for pod in pods if name_of(claim) in claims_of(pod)]

    async def _bind(self, claim: Object, volume: Object) -> None:
        held = held_volume(volume, claim)
        if held is not volume:
            volume = await self.writes.update(PERSISTENTVOLUMES, held)
        volume = await self._set_phase(volume, "Bound")
        bound = bound_claim(claim, volume)
        if bound is not claim:
            claim = await self.writes.update(PERSISTENTVOLUMECLAIMS, bound)
        status = claim_status(claim, "Bound", volume)
        await self.writes.update_status(PERSISTENTVOLUMECLAIMS, claim, status)

    async def _wait(self, claim: Object, plan: ClaimPlan) -> None:
        before = (claim.get("status") or {}).get("phase")
        if plan.provisioner and annotations_of(claim).get(_PROVISIONER) != plan.provisioner:
            marks = annotations_of(claim) | {_PROVISIONER: plan.provisioner, _BETA_PROVISIONER: plan.provisioner}
            marked = claim | {"metadata": claim["metadata"] | {"annotations": marks}}
            claim = await self.writes.update(PERSISTENTVOLUMECLAIMS, marked)
        status = claim_status(claim, plan.phase, None)
        claim = await self.writes.update_status(PERSISTENTVOLUMECLAIMS, claim, status)
        if plan.told is not None and (plan.phase == "Pending" or before != plan.phase):
            self.events.event(claim, plan.told.kind, plan.told.reason, plan.told.message)

    async def _reconcile_volume(self, volume: Object) -> None:
        holder = (volume.get("spec") or {}).get("claimRef") or {}
        claim = self._claims.get(str(holder.get("namespace") or ""), str(holder.get("name") or "")) if holder else None
        plan = plan_volume(volume, claim)
        if plan is None:
            return
        if plan.free:
            volume = await self.writes.update(PERSISTENTVOLUMES, freed_volume(volume))
        if (volume.get("status") or {}).get("phase") == "Failed" and plan.phase == "Released":
            plan = replace(plan, phase="Failed")
        changed = (volume.get("status") or {}).get("phase") != plan.phase
        volume = await self._set_phase(volume, plan.phase, plan.message)
        if changed and plan.told is not None:
            self.events.event(volume, plan.told.kind, plan.told.reason, plan.told.message)

    async def _set_phase(self, volume: Object, phase: str, message: str = "") -> Object:
        before = volume.get("status") or {}
        if before.get("phase") == phase:
            return volume
        status = {key: value for key, value in before.items() if key != "message"} | {"phase": phase}
        return await self.writes.update_status(
            PERSISTENTVOLUMES, volume, status | ({"message": message} if message else {})
        )

    def _of_claim(self, claim: Object) -> Iterable[ObjectKey]:
        """The claim, its volume, and the volumes that are meant for it: one of them may have become free."""
        yield key_of(claim)
        mine = {"namespace": namespace_of(claim), "name": name_of(claim)}
        taken = (claim.get("spec") or {}).get("volumeName")
        for volume in self._volumes.list():
            holder = (volume.get("spec") or {}).get("claimRef") or {}
            if name_of(volume) == taken or {key: holder.get(key) for key in mine} == mine:
                yield key_of(volume)

    def _of_volume(self, volume: Object) -> Iterable[ObjectKey]:
        """The volume, the claim that it names, the claims that name it, and all that look for one."""
        yield key_of(volume)
        holder = (volume.get("spec") or {}).get("claimRef") or {}
        if holder:
            yield ObjectKey(str(holder.get("namespace") or ""), str(holder.get("name") or ""))
        for claim in self._claims.list():
            if (claim.get("spec") or {}).get("volumeName") == name_of(volume):
                yield key_of(claim)
        if not holder:
            yield from self._pending()

    def _pending(self) -> Iterable[ObjectKey]:
        for claim in self._claims.list():
            if (claim.get("status") or {}).get("phase") != "Bound":
                yield key_of(claim)
