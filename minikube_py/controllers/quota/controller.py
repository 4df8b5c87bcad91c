"""Keeps ``status.used`` of ResourceQuotas."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from minikube_py.api.meta import key_of, namespace_of
from minikube_py.api.quantity import Form, format_quantity, quantity
from minikube_py.api.quotausage import counted_resources, matches_scopes, total_usage, usage_of
from minikube_py.api.resources import RESOURCEQUOTAS, Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.informer import Informer
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller


class ResourceQuotaController(Controller):
    """One key per ResourceQuota; nothing is counted in namespaces without one."""

    name = "resourcequota-controller"
    account = "resourcequota-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._quotas = self.follow(RESOURCEQUOTAS)
        ownership.index_by_namespace(self._quotas)
        ownership.index_by_namespace(self._quotas)
        self._informers: dict[Resource, Informer] = {}

    async def reconcile(self, key: ObjectKey) -> None:
        quota = self._quotas.get(*key)
        if quota is None:
            return
        hard = (quota.get("spec") or {}).get("hard") or {}
        objects = [
            (resource, obj)
            for resource in counted_resources(hard)
            for obj in ownership.in_namespace(await self._counted(resource), key.namespace)
        ]
        used = total_usage(quota, objects, self.clock.now())
        status = {"hard": hard, "used": {name: _written(amount, hard[name]) for name, amount in used.items()}}
        await self.writes.update_status(RESOURCEQUOTAS, quota, status)

    async def _counted(self, resource: Resource) -> Informer:
        """The informer of what a quota counts; a kind is followed from the first quota on that counts it."""
        informer = self._informers.get(resource)
        if informer is None:
            informer = self._informers[resource] = self.context.informers.of(resource)
            ownership.index_by_namespace(informer)
            informer.subscribe(self._observer(resource))
        await informer.wait_synced()
        return informer

    def _observer(self, resource: Resource) -> Callable[[Object | None, Object | None], None]:
        def observe(old: Object | None, new: Object | None) -> None:
            obj = new if new is not None else old
            if obj is None or not (quotas := ownership.in_namespace(self._quotas, namespace_of(obj))):
                return
            now = self.clock.now()
            same = old is not None and new is not None and usage_of(resource, old, now) == usage_of(resource, new, now)
            for quota in quotas:
                if not same or _changed_scope(quota, resource, old, new):
                    self.queue.add(key_of(quota))

        return observe


def _changed_scope(quota: Object, resource: Resource, old: Object | None, new: Object | None) -> bool:
    """Whether a change takes an object into a quota's scopes, or out of them."""
    return matches_scopes(quota, resource, old or {}) != matches_scopes(quota, resource, new or {})


def _written(amount: Decimal, limit: str) -> str:
    """The amount in the suffix family of the limit it is compared with."""
    form = quantity(limit).form
    return format_quantity(amount, form if form is not Form.DECIMAL_EXPONENT else Form.DECIMAL_SI)
