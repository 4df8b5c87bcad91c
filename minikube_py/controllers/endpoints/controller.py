"""Keeps the Endpoints object of every Service that has a selector."""

from __future__ import annotations

from minikube_py.api.errors import StatusError
from minikube_py.api.meta import key_of, labels_of, namespace_of
from minikube_py.api.resources import ENDPOINTS, PODS, SERVICES
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.endpoints.plan import MANAGED_BY, MANAGER, plan_endpoints
from minikube_py.controllers.endpointslice.desired import matches, membership_changed
from minikube_py.controllers.endpointslice.triggers import TriggerTimes, stamped
from minikube_py.controllers.podcontrol import namespace_is_terminating


class EndpointsController(Controller):
    """One key per Service."""

    name = "endpoint-controller"
    account = "endpoint-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._services = self.follow(SERVICES)
        self._endpoints = self.follow(ENDPOINTS)
        self._pods = context.informers.of(PODS)
        for informer in (self._services, self._pods):
            ownership.index_by_namespace(informer)
        self._pods.subscribe(self._on_pod)
        self._triggers = TriggerTimes()

    async def reconcile(self, key: ObjectKey) -> None:
        service, current = self._services.get(*key), self._endpoints.get(*key)
        if service is None:
            self._triggers.forget(key)
            if current is not None and labels_of(current).get(MANAGED_BY) == MANAGER:
                await self.writes.delete(ENDPOINTS, current)
            return
        spec = service.get("spec") or {}
        if not spec.get("selector") or spec.get("type") == "ExternalName":
            return
        pods = [pod for pod in ownership.in_namespace(self._pods, key.namespace) if matches(service, pod)]
        time = self._triggers.of(service, pods)
        wanted = plan_endpoints(service, pods, current)
        if wanted is None:
            return
        wanted = stamped(wanted, time)
        try:
            await (self.writes.update if current is not None else self.writes.create)(ENDPOINTS, wanted)
        except StatusError as error:
            if namespace_is_terminating(error):
                return
            reason, verb = ("FailedToUpdateEndpoint", "update") if current else ("FailedToCreateEndpoint", "create")
            message = f"Failed to {verb} endpoint for service {key}: {error.message}"
            self.events.event(service, "Warning", reason, message)
            raise

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and not membership_changed(old, new):
            return
        for pod in (new, old):
            if pod is not None:
                for service in ownership.in_namespace(self._services, namespace_of(pod)):
                    if matches(service, pod):
                        self.queue.add(key_of(service))
