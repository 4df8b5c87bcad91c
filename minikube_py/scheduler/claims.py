"""Binding the claims of a pod that has got its node, before the pod itself is bound.

Claims of a class that waits for its first pod are bound only here: to a volume that is on the node, or by telling the
provisioner which node it is. The controller that binds volumes completes both, and the pod follows when it has
(kubernetes/kubernetes pkg/scheduler/framework/plugins/volumebinding).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack

from minikube_py.aio.clock import Clock
from minikube_py.api.meta import annotations_of, name_of, namespace_of, revision_of, uid_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import SELECTED_NODE, held_volume, is_fully_bound
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client, PatchKind
from minikube_py.scheduler.snapshot import Snapshot
from minikube_py.scheduler.views import PodInfo
from minikube_py.scheduler.volumes import match_claims, waiting_claims

#: The scheduler's default ``bindTimeoutSeconds``.
TIMEOUT_SECONDS = 600.0


class NotBound(Exception):
    """The claims were not bound: the pod is to be placed anew."""


class ClaimBinder:
    """``claims`` and ``pods`` are the scheduler's informers."""

    def __init__(self, *, client: Client, claims: Informer, pods: Informer, clock: Clock) -> None:
        self._client = client
        self._claims = claims
        self._pods = pods
        self._clock = clock

    async def bind(self, pod: PodInfo, node: str, snapshot: Snapshot) -> None:
        """Return once every claim of the pod is bound; at once for most pods, which have none that waits.

        Raises NotBound where that fails or takes too long, StatusError where the API server refuses.
        """
        waiting = waiting_claims(pod, snapshot.volumes)
        if not waiting:
            return
        place = next((each for each in snapshot.nodes if each.name == node), None)
        matched = match_claims(waiting, place, snapshot.volumes) if place is not None else None
        if matched is None:
            raise NotBound("the volumes that were free are taken")
        asked = {}
        for claim, volume in matched:
            if volume is not None:
                await self._hold(volume, claim)
            asked[name_of(claim)] = await self._select(claim, node) if volume is None else 0
        await self._until_bound(pod, node, asked)

    async def _select(self, claim: Object, node: str) -> int:
        """The revision from which on the claim names the node, until the provisioner gives up."""
        if annotations_of(claim).get(SELECTED_NODE) != node:
            patch = {"metadata": {"annotations": {SELECTED_NODE: node}}}
            name, namespace = name_of(claim), namespace_of(claim)
            claim = await self._client.patch(PERSISTENTVOLUMECLAIMS, name, patch, namespace, kind=PatchKind.MERGE)
        return revision_of(claim)

    async def _hold(self, volume: Object, claim: Object) -> None:
        """Refused as a conflict where another pod's claim was quicker: both read the same version of the volume."""
        held = held_volume(volume, claim)
        if held is not volume:
            await self._client.update(PERSISTENTVOLUMES, held)

    async def _until_bound(self, pod: PodInfo, node: str, asked: Mapping[str, int]) -> None:
        news, late = asyncio.Event(), asyncio.Event()

        def give_up() -> None:
            late.set()
            news.set()

        with ExitStack() as stack:
            for informer in (self._claims, self._pods):
                stack.callback(informer.subscribe(lambda _old, _new: news.set()))
            stack.callback(self._clock.call_later(TIMEOUT_SECONDS, give_up).cancel)
            while not self._all_bound(pod, node, asked):
                if late.is_set():
                    raise NotBound("binding volumes: context deadline exceeded")
                await news.wait()
                news.clear()

    def _all_bound(self, pod: PodInfo, node: str, asked: Mapping[str, int]) -> bool:
        cached = self._pods.get(pod.namespace, pod.key.name)
        if cached is None or uid_of(cached) != pod.uid:
            raise NotBound("pod does not exist any more")
        states = {name: self._is_bound(pod.namespace, name, node, revision) for name, revision in asked.items()}
        return all(states.values())

    def _is_bound(self, namespace: str, name: str, node: str, revision: int) -> bool:
        """A provisioner that cannot make the volume on this node takes the annotation away, for another try."""
        claim = self._claims.get(namespace, name)
        if claim is None:
            raise NotBound(f'persistentvolumeclaim "{name}" not found')
        if is_fully_bound(claim):
            return True
        if 0 < revision <= revision_of(claim) and annotations_of(claim).get(SELECTED_NODE) != node:
            raise NotBound(f'provisioning failed for PVC "{name}"')
        return False
