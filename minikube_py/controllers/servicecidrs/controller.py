"""Readies new ServiceCIDRs and keeps those that are being deleted for as long as a Service's address needs them.

Semantics and words: KEP-1880 and kubernetes/kubernetes pkg/controller/servicecidrs.
"""

from __future__ import annotations

from minikube_py.api.meta import find_condition, format_time, is_deleting, labels_of, metadata, name_of, parse_time
from minikube_py.api.resources import IPADDRESSES, SERVICECIDRS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.conditions import with_condition
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.servicecidrs.addresses import MANAGED_BY, MANAGER
from minikube_py.controllers.servicecidrs.ranges import blocked_by

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
#: How long a range that nobody needs stays, so that allocators have heard of its end before it goes.
GRACE_SECONDS = 10.0
_READY: Object = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
_TERMINATING: Object = {
    "type": "Ready",
    "status": "False",
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, "
    "please remove them or create a new ServiceCIDR",
}


class ServiceCIDRController(Controller):
    """One key per ServiceCIDR. Any range or address that comes or goes can free, or hold, one that is being deleted."""

    name = "service-cidr-controller"
    account = "service-cidrs-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._ranges = self.follow(SERVICECIDRS)
        self._addresses = context.informers.of(IPADDRESSES)
        self.watch(self._ranges, lambda _entry: self._going())
        self.watch(self._addresses, lambda _entry: self._going())

    async def reconcile(self, key: ObjectKey) -> None:
        entry = self._ranges.get(*key)
        if entry is None:
            return
        if not is_deleting(entry):
            await self._keep(entry)
        elif self._is_needed(entry):
            await self._tell(entry, _TERMINATING)
        else:
            await self._let_go(key, entry)

    async def _keep(self, entry: Object) -> None:
        finalizers = metadata(entry).get("finalizers") or []
        if FINALIZER not in finalizers:
            patch = {"metadata": {"finalizers": [*finalizers, FINALIZER], "resourceVersion": _version(entry)}}
            entry = await self.writes.patch(SERVICECIDRS, entry, patch)
        if find_condition((entry.get("status") or {}).get("conditions"), "Ready") is None:
            await self._tell(entry, _READY)

    def _is_needed(self, entry: Object) -> bool:
        ours = [name_of(each) for each in self._addresses.list() if labels_of(each).get(MANAGED_BY) == MANAGER]
        return blocked_by(entry, self._ranges.list(), ours) is not None

    async def _let_go(self, key: ObjectKey, entry: Object) -> None:
        going_since = parse_time(metadata(entry)["deletionTimestamp"])
        left = GRACE_SECONDS - (self.clock.now() - going_since).total_seconds()
        if left > 0:
            self.queue.add_after(key, left)
            return
        finalizers = [each for each in metadata(entry).get("finalizers") or () if each != FINALIZER]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": _version(entry)}}
        await self.writes.patch(SERVICECIDRS, entry, patch)

    async def _tell(self, entry: Object, verdict: Object) -> None:
        status = entry.get("status") or {}
        new = verdict | {"lastTransitionTime": format_time(self.clock.now())}
        conditions = with_condition(status.get("conditions"), new)
        await self.writes.update_status(SERVICECIDRS, entry, status | {"conditions": conditions})

    def _going(self) -> list[ObjectKey]:
        return [ObjectKey("", name_of(entry)) for entry in self._ranges.list() if is_deleting(entry)]


def _version(entry: Object) -> str:
    return str(metadata(entry)["resourceVersion"])
