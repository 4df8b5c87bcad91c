"""Keeps ``status.used`` of ResourceQuotas."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from minikube_py.api.meta import key_of, namespace_of
from minikube_py.api.quantity import Form, format_quantity, quantity
from minikube_py.api.resources import (
    CONFIGMAPS,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    STATEFULSETS,
    Resource,
)
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.quota.usage import total_usage, usage_of

#: The kinds that can be counted.
COUNTED = (
    PODS, SERVICES, CONFIGMAPS, SECRETS, PERSISTENTVOLUMECLAIMS, REPLICATIONCONTROLLERS, RESOURCEQUOTAS,
    SERVICEACCOUNTS, DEPLOYMENTS, REPLICASETS, STATEFULSETS, DAEMONSETS, JOBS, CRONJOBS,
)  # fmt: skip


class ResourceQuotaController(Controller):
    """One key per ResourceQuota; nothing is counted in namespaces without one."""

    name = "resourcequota-controller"
    account = "resourcequota-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._quotas = self.follow(RESOURCEQUOTAS)
        self._informers = {resource: context.informers.of(resource) for resource in COUNTED}
        for resource, informer in self._informers.items():
            ownership.index_by_namespace(informer)
            informer.subscribe(self._observer(resource))

    async def reconcile(self, key: ObjectKey) -> None:
        quota = self._quotas.get(*key)
        if quota is None:
            return
        hard = (quota.get("spec") or {}).get("hard") or {}
        objects = (
            (resource, obj)
            for resource, informer in self._informers.items()
            for obj in ownership.in_namespace(informer, key.namespace)
        )
        used = total_usage(quota, objects)
        status = {"hard": hard, "used": {name: _written(amount, hard[name]) for name, amount in used.items()}}
        await self.writes.update_status(RESOURCEQUOTAS, quota, status)

    def _observer(self, resource: Resource) -> Callable[[Object | None, Object | None], None]:
        def observe(old: Object | None, new: Object | None) -> None:
            obj = new if new is not None else old
            if obj is None or not (quotas := ownership.in_namespace(self._quotas, namespace_of(obj))):
                return
            if old is not None and new is not None and usage_of(resource, old) == usage_of(resource, new):
                return
            for quota in quotas:
                self.queue.add(key_of(quota))

        return observe


def _written(amount: Decimal, limit: str) -> str:
    """The amount in the suffix family of the limit it is compared with."""
    form = quantity(limit).form
    return format_quantity(amount, form if form is not Form.DECIMAL_EXPONENT else Form.DECIMAL_SI)
