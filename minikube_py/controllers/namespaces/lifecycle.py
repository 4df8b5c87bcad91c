"""Empties namespaces that are being deleted, pods first, and then lets them go (KEP-5080)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from minikube_py.api.errors import MethodNotAllowed, NotFound, StatusError
from minikube_py.api.meta import is_deleting, metadata, namespace_of
from minikube_py.api.resources import BUILTIN, EVENTS_V1, HORIZONTALPODAUTOSCALERS_V1, NAMESPACES, PODS, Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.namespaces.conditions import Contents, plan_conditions

FINALIZER = "kubernetes"
_RETRY_SECONDS = 1.0


def namespaced(resources: Iterable[Resource] = BUILTIN) -> list[Resource]:
    """What a namespace can hold, pods first; a second version of a kind is the same objects."""
    found = [
        entry
        for entry in resources
        if entry.namespaced
        and "deletecollection" in entry.verbs
        and entry not in (EVENTS_V1, HORIZONTALPODAUTOSCALERS_V1)
    ]
    return sorted(found, key=lambda entry: entry is not PODS)


class NamespaceController(Controller):
    """One key per namespace; those that are not being deleted are left alone."""

    name = "namespace-controller"
    account = "namespace-controller"

    def __init__(self, context: Context, *, resources: Iterable[Resource] | None = None) -> None:
        super().__init__(context)
        self._resources = namespaced() if resources is None else list(resources)
        self._namespaces = self.follow(NAMESPACES)
        context.informers.of(PODS).subscribe(self._on_pod)

    async def reconcile(self, key: ObjectKey) -> None:
        namespace = self._namespaces.get(*key)
        if namespace is None or not is_deleting(namespace):
            return
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            return
        contents = await self._empty(key.name)
        status = (namespace.get("status") or {}) | {"phase": "Terminating"}
        status["conditions"] = plan_conditions(status.get("conditions"), contents, self.clock.now())
        namespace = await self.writes.update_status(NAMESPACES, namespace, status)
        if not contents.empty:
            self.queue.add_after(key, _RETRY_SECONDS)
            return
        left = [entry for entry in finalizers if entry != FINALIZER]
        finished = namespace | {"spec": (namespace.get("spec") or {}) | {"finalizers": left}}
        await self.context.client.update(NAMESPACES, finished, subresource="finalize")

    async def _empty(self, namespace: str) -> Contents:
        contents = Contents()
        if PODS in self._resources:
            await self._empty_of(PODS, namespace, contents)
            if not contents.empty:
                return contents
        others = [resource for resource in self._resources if resource is not PODS]
        await asyncio.gather(*(self._empty_of(resource, namespace, contents) for resource in others))
        return contents

    async def _empty_of(self, resource: Resource, namespace: str, contents: Contents) -> None:
        client = self.context.client
        try:
            if not (await client.list(resource, namespace, limit=1)).items:
                return
            await client.delete_collection(resource, namespace, propagation="Background")
            left = (await client.list(resource, namespace)).items
        except (NotFound, MethodNotAllowed):
            return
        except StatusError as error:
            contents.failures.append(f"{resource.group_resource}: {error.message}")
            return
        if left:
            contents.remaining[f"{resource.plural}.{resource.group}"] = len(left)
            held = Counter(entry for obj in left for entry in metadata(obj).get("finalizers") or ())
            for finalizer, count in held.items():
                contents.finalizers[finalizer] = contents.finalizers.get(finalizer, 0) + count

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        """The last pod of a namespace that is being deleted is what most deletions wait for."""
        if new is not None or old is None:
            return
        namespace = self._namespaces.get("", namespace_of(old))
        if namespace is not None and is_deleting(namespace):
            self.queue.add(ObjectKey("", namespace_of(old)))
