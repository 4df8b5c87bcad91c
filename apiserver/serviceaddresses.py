"""Keeps IPAddress objects in step with Services, and the address books in step with IPAddress and ServiceCIDR objects.

Each commit of a Service is followed by those of its addresses. What people make and remove by hand among IPAddresses
and ServiceCIDRs is entered in the books with its commit; whether it makes sense is judged later, by the controllers.
"""

from __future__ import annotations

from datetime import datetime

from apiserver.auth.identity import LOOPBACK
from apiserver.registry.catalog import Dependencies
from apiserver.registry.context import Reader
from apiserver.registry.networking.serviceaddresses import address_changes, default_range, ranges_in_use, ready_status
from apiserver.routes.catalog import Catalog
from apiserver.routes.served import Served
from apiserver.routes.writing import Writer, WriteRequest
from minikube_py.api.meta import name_of
from minikube_py.api.resources import IPADDRESSES, SERVICECIDRS, SERVICES, Resource
from minikube_py.api.types import Object
from minikube_py.config.parts import Network

_MANAGER = "kube-apiserver"


class ServiceAddresses:
    """Follows Services. Nothing here awaits, so nobody sees a Service without its addresses."""

    def __init__(self, *, catalog: Catalog, writer: Writer, deps: Dependencies, network: Network) -> None:
        self._catalog = catalog
        self._writer = writer
        self._deps = deps
        self._network = network

    def start(self, reader: Reader, now: datetime) -> None:
        """Learn what stored Services hold, before the first write; make what stands for it."""
        services = list(reader.list(SERVICES))
        self._deps.rebuild(services, map(name_of, reader.list(IPADDRESSES)))
        self._ensure_range(now)
        self._ranges_changed()
        for service in services:
            self._apply(None, service, now)

    def follow(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """Hears of every commit."""
        if resource is SERVICES:
            self._apply(old, new, self._catalog.of(SERVICES).now())
        elif resource is IPADDRESSES:
            self._address_changed(old, new)
        elif resource is SERVICECIDRS:
            if new is None:
                self._ensure_range(self._catalog.of(SERVICECIDRS).now())
            self._ranges_changed()

    def _address_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._deps.services.reserve([name_of(new)])
        elif old is not None:
            self._deps.services.release([name_of(old)])

    def _ranges_changed(self) -> None:
        self._deps.services.use_ranges(ranges_in_use(self._writer.reader.list(SERVICECIDRS)))

    def _apply(self, old: Object | None, new: Object | None, now: datetime) -> None:
        served = self._catalog.of(IPADDRESSES)
        taken, released = address_changes(old, new)
        for obj in taken:
            if served.collection.get("", name_of(obj)) is None:
                self._plant(served, IPADDRESSES, obj, now)
        for address in released:
            present = served.collection.get("", address)
            if present is not None:
                gone = served.load(present)
                served.collection.delete(present)
                self._writer.committed(served, gone, None)

    def _ensure_range(self, now: datetime) -> None:
        served, obj = self._catalog.of(SERVICECIDRS), default_range(self._network)
        if served.collection.get("", name_of(obj)) is not None:
            return
        self._plant(served, SERVICECIDRS, obj, now)
        present = served.collection.get("", name_of(obj))
        if present is not None:
            old = served.load(present)
            new = old | {"status": ready_status(now)}
            served.collection.update(present, new)
            self._writer.committed(served, old, new)

    def _plant(self, served: Served, resource: Resource, obj: Object, now: datetime) -> None:
        request = WriteRequest(served=served, user=LOOPBACK, now=now, manager=_MANAGER)
        self._writer.plant(request, {"kind": resource.kind, "apiVersion": resource.api_version} | obj)
