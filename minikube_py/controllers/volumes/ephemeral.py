"""Makes the claims of pods' generic ephemeral volumes (KEP-1698). The pod owns them, so they go with it."""

from __future__ import annotations

from typing import Any

from minikube_py.api.errors import StatusError
from minikube_py.api.meta import controller_of, is_deleting, name_of, namespace_of, owner_reference, uid_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PODS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.api.volumeclaims import ephemeral_claim
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller


class EphemeralVolumeController(Controller):
    """One key per pod that has such volumes."""

    name = "ephemeral_volume"
    account = "ephemeral-volume-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._claims = self.follow(PERSISTENTVOLUMECLAIMS, _pod_of)
        self._pods = context.informers.of(PODS)
        self.watch(self._pods, _with_ephemeral)

    async def reconcile(self, key: ObjectKey) -> None:
        pod = self._pods.get(*key)
        if pod is None or is_deleting(pod):
            return
        for volume in ephemeral_volumes(pod):
            await self._ensure(pod, volume)

    async def _ensure(self, pod: Object, volume: dict[str, Any]) -> None:
        found = self._claims.get(namespace_of(pod), ephemeral_claim(pod, volume))
        try:
            if found is None:
                await self.writes.create(PERSISTENTVOLUMECLAIMS, claim_for(pod, volume))
        except StatusError as error:
            why = f"create PVC {ephemeral_claim(pod, volume)}: {error}"
            self._refuse(pod, volume, why)
            raise
        if found is not None and (controller_of(found) or {}).get("uid") != uid_of(pod):
            claim, owner = f"{namespace_of(pod)}/{name_of(found)}", f"{namespace_of(pod)}/{name_of(pod)}"
            self._refuse(pod, volume, f"PVC {claim} was not created for pod {owner} (pod is not owner)")

    def _refuse(self, pod: Object, volume: dict[str, Any], why: str) -> None:
        self.events.event(pod, "Warning", "FailedBinding", f"ephemeral volume {volume.get('name')}: {why}")


def ephemeral_volumes(pod: Object) -> list[dict[str, Any]]:
    """The pod's generic ephemeral volumes."""
    return [each for each in (pod.get("spec") or {}).get("volumes") or () if each.get("ephemeral")]


def claim_for(pod: Object, volume: dict[str, Any]) -> Object:
    """The claim of one ephemeral volume."""
    template = volume["ephemeral"].get("volumeClaimTemplate") or {}
    told = {key: value for key, value in (template.get("metadata") or {}).items() if key in ("labels", "annotations")}
    owner = owner_reference(pod | {"apiVersion": "v1", "kind": "Pod"})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "namespace": namespace_of(pod),
            "name": ephemeral_claim(pod, volume),
            "ownerReferences": [owner],
            **told,
        },
        "spec": template.get("spec") or {},
    }


def _with_ephemeral(pod: Object) -> list[ObjectKey]:
    return [ObjectKey(namespace_of(pod), name_of(pod))] if ephemeral_volumes(pod) else []


def _pod_of(claim: Object) -> list[ObjectKey]:
    owner = controller_of(claim) or {}
    return [ObjectKey(namespace_of(claim), str(owner["name"]))] if owner.get("kind") == "Pod" else []
