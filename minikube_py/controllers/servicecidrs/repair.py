"""Repairs what Services and IPAddresses say of each other: leaked, lost, stolen and doubly given addresses.

Our API server commits both together, so all it finds there is what people did by hand; behind another API server it is
upstream's ``ipallocator-repair-controller``. Service and IPAddress arrive on two watches, either of them late, so
nothing is done before the API server itself has confirmed what the caches seem to show.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from minikube_py.api.errors import AlreadyExists, NotFound
from minikube_py.api.meta import key_of, name_of
from minikube_py.api.resources import IPADDRESSES, SERVICECIDRS, SERVICES, Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.servicecidrs.addresses import (
    Judgement,
    Repair,
    Services,
    address_for,
    cluster_ips,
    judge,
    parent_service,
)
from minikube_py.controllers.servicecidrs.ranges import covers

#: How long a disagreement between the caches may be nothing but one watch being later than the other.
SETTLE_SECONDS = 1.0
_INDEX = "cluster IP"


class ServiceAddressRepairController(Controller):
    """One key per address (named like its IPAddress)."""

    name = "ipallocator-repair-controller"
    account = "service-address-repair-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._ranges = context.informers.of(SERVICECIDRS)
        self._services = context.informers.of(SERVICES)
        self._addresses = self.writes.follow(IPADDRESSES)
        self._services.add_index(_INDEX, cluster_ips)
        self._services.subscribe(self._service_changed)
        self._addresses.subscribe(self._address_changed)

    async def reconcile(self, key: ObjectKey) -> None:
        address = key.name
        holders = self._services.by_index(_INDEX, address)
        seen = self._judge(address, self._addresses.get("", address), holders, lambda at: self._services.get(*at))
        if seen.repair is not Repair.NOTHING or seen.notes:
            await self._carry_out(key, await self._confirmed(address, holders))

    def _judge(self, address: str, found: Object | None, holders: list[Object], services: Services) -> Judgement:
        covered = any(covers(entry, ip_address(address)) for entry in self._ranges.list())
        return judge(address, found, holders, services=services, covered=covered, now=self.clock.now())

    async def _confirmed(self, address: str, holders: list[Object]) -> Judgement:
        """The same, judged from what the API server has now."""
        found = await self._current(IPADDRESSES, ObjectKey("", address))
        parent = parent_service(found) if found is not None else None
        keys = {key_of(each) for each in holders} | ({parent} if parent is not None else set())
        services = {key: await self._current(SERVICES, key) for key in sorted(keys)}
        present = [each for each in services.values() if each is not None and address in cluster_ips(each)]
        return self._judge(address, found, present, services.get)

    async def _current(self, resource: Resource, key: ObjectKey) -> Object | None:
        try:
            return await self.context.client.get(resource, key.name, key.namespace or None)
        except NotFound:
            return None

    async def _carry_out(self, key: ObjectKey, judgement: Judgement) -> None:
        if judgement.repair is Repair.WAIT:
            self.queue.add_after(key, judgement.seconds)
            return
        for note in judgement.notes:
            self.events.event(note.about, "Warning", note.reason, note.message)
        if judgement.repair in (Repair.DELETE, Repair.RECREATE):
            await self._delete(key.name)
        if judgement.repair in (Repair.CREATE, Repair.RECREATE) and judgement.holder is not None:
            with suppress(AlreadyExists):
                await self.writes.create(IPADDRESSES, address_for(key.name, judgement.holder))

    async def _delete(self, address: str) -> None:
        current = await self._current(IPADDRESSES, ObjectKey("", address))
        if current is not None:
            await self.writes.delete(IPADDRESSES, current)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        for address in {ip for obj in (old, new) if obj is not None for ip in cluster_ips(obj)}:
            self._look_at(address)

    def _address_changed(self, old: Object | None, new: Object | None) -> None:
        self._look_at(name_of(new or old or {}))

    def _look_at(self, address: str) -> None:
        self.queue.add_after(ObjectKey("", address), SETTLE_SECONDS)
