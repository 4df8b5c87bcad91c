"""Keeps a claim that is being deleted while a pod uses it, and a volume while it is bound.

New ones get their finalizer from admission; those that lack it get it here. Semantics: kubernetes/kubernetes
pkg/controller/volume/pvcprotection and pvprotection.
"""

from __future__ import annotations

from minikube_py.api.meta import is_deleting, key_of, metadata, name_of, namespace_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.api.volumeclaims import CLAIM_FINALIZER, VOLUME_FINALIZER, claims_of
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller


class ClaimProtectionController(Controller):
    """One key per claim; a pod that comes or ends is news to the claims that it names."""

    name = "pvc-protection-controller"
    account = "pvc-protection-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._claims = self.follow(PERSISTENTVOLUMECLAIMS)
        self._pods = context.informers.of(PODS)
        ownership.index_by_namespace(self._pods)
        self.watch(self._pods, _claims_of_pod)

    async def reconcile(self, key: ObjectKey) -> None:
        claim = self._claims.get(*key)
        if claim is None:
            return
        used = is_deleting(claim) and await self._is_used(claim)
        await _protect(self, PERSISTENTVOLUMECLAIMS, claim, CLAIM_FINALIZER, used=used)

    async def _is_used(self, claim: Object) -> bool:
        """The last word is the API server's: the cache may not know yet of a pod that was just placed."""
        known = ownership.in_namespace(self._pods, namespace_of(claim))
        if any(_uses(pod, claim) for pod in known):
            return True
        live = await self.context.client.list(PODS, namespace_of(claim))
        return any(_uses(pod, claim) for pod in live.items)


class VolumeProtectionController(Controller):
    """One key per volume."""

    name = "pv-protection-controller"
    account = "pv-protection-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._volumes = self.follow(PERSISTENTVOLUMES)

    async def reconcile(self, key: ObjectKey) -> None:
        volume = self._volumes.get(*key)
        if volume is not None:
            used = (volume.get("status") or {}).get("phase") == "Bound"
            await _protect(self, PERSISTENTVOLUMES, volume, VOLUME_FINALIZER, used=used)


async def _protect(controller: Controller, resource: Resource, obj: Object, finalizer: str, *, used: bool) -> None:
    finalizers = metadata(obj).get("finalizers") or []
    wanted = [each for each in finalizers if each != finalizer]
    if used or not is_deleting(obj):
        wanted = finalizers if finalizer in finalizers or is_deleting(obj) else [*finalizers, finalizer]
    if wanted != finalizers:
        await controller.writes.update(resource, obj | {"metadata": obj["metadata"] | {"finalizers": wanted}})


def _claims_of_pod(pod: Object) -> list[ObjectKey]:
    return [ObjectKey(namespace_of(pod), name) for name in claims_of(pod)]


def _uses(pod: Object, claim: Object) -> bool:
    """A pod that has no node yet does not use it. One that is gone but for its name leaves its ephemeral claims."""
    if not (pod.get("spec") or {}).get("nodeName"):
        return False
    if is_deleting(pod) and metadata(pod).get("deletionGracePeriodSeconds") == 0:
        named = [each.get("persistentVolumeClaim") or {} for each in pod["spec"].get("volumes") or ()]
        return any(each.get("claimName") == name_of(claim) for each in named)
    return key_of(claim) in _claims_of_pod(pod)
