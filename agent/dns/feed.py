"""Keeps a zone and its answers in step with the cluster's objects."""

from __future__ import annotations

from agent.dns.responder import Responder
from agent.dns.views import ServiceView, SliceView
from agent.dns.zone import Zone
from minikube_py.api.meta import key_of, name_of
from minikube_py.api.resources import ENDPOINTSLICES, NAMESPACES, SERVICES
from minikube_py.api.types import Object
from minikube_py.client.informers import InformerSet


class ZoneFeed:
    """Subscribes to Services, EndpointSlices and Namespaces; ``close`` ends that."""

    def __init__(self, informers: InformerSet, zone: Zone) -> None:
        self._zone = zone
        self._responder: Responder | None = None
        self._informers = [informers.of(resource) for resource in (SERVICES, ENDPOINTSLICES, NAMESPACES)]
        self._unsubscribe = [
            informer.subscribe(handler)
            for informer, handler in zip(self._informers, (self._service, self._slice, self._namespace), strict=True)
        ]

    @property
    def synced(self) -> bool:
        """Whether the zone holds all there is."""
        return all(informer.synced for informer in self._informers)

    def attach(self, responder: Responder) -> None:
        """Tell this responder of every change from now on."""
        self._responder = responder

    def close(self) -> None:
        """Follow no longer."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def _service(self, old: Object | None, new: Object | None) -> None:
        key = key_of(new or old or {})
        self._announce(self._zone.set_service(key, ServiceView.from_object(new) if new is not None else None))

    def _slice(self, old: Object | None, new: Object | None) -> None:
        key = key_of(new or old or {})
        self._announce(self._zone.set_slice(key, SliceView.from_object(new) if new is not None else None))

    def _namespace(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None:
            return
        self._zone.set_namespace(name_of(new or old or {}), new is not None)
        if self._responder is not None:
            self._responder.invalidate_all()  # with a namespace come all names that stand for its pods' addresses

    def _announce(self, names: set[bytes]) -> None:
        if self._responder is not None:
            self._responder.invalidate(names)
