"""The service controller: every LoadBalancer Service gets an address, and gives it back when it goes.

The words of the events and the finalizer are those of upstream's cloud-provider service controller.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from minikube_py.aio.queue import QueueShutDown, WorkQueue
from minikube_py.aio.tasks import TaskSet
from minikube_py.api import resources
from minikube_py.api.errors import Conflict, NotFound, StatusError
from minikube_py.api.meta import annotations_of, is_deleting, key_of, metadata, name_of, namespace_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.events import EventRecorder
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.cloud.pool import AddressPool, NoAddress
from minikube_py.cloud.views import FINALIZER, PUBLISHED_ANNOTATION, LoadBalancer, ingress_of

_log = logging.getLogger(__name__)

NAME = "service-controller"
_WORKERS = 3

#: Tells the balancer about a Service's addresses; None when it has gone.
Announce = Callable[[ObjectKey, tuple[LoadBalancer, tuple[str, ...]] | None], None]
#: The text of the annotation that says where a balancer is published.
Describe = Callable[[LoadBalancer, tuple[str, ...]], str]


class ServiceController:
    """Reconciles LoadBalancer Services one key at a time."""

    def __init__(
        self,
        *,
        client: Client,
        services: Informer,
        recorder: EventRecorder,
        pool: AddressPool,
        queue: WorkQueue[ObjectKey],
        announce: Announce,
        describe: Describe,
    ) -> None:
        self._client = client
        self._services = services
        self._recorder = recorder
        self._pool = pool
        self._queue = queue
        self._announce = announce
        self._describe = describe
        self._tasks = TaskSet(NAME)
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Takes over the addresses that Services have, then begins to work. The informer has synced."""
        for service in sorted(self._services.list(), key=lambda each: metadata(each).get("creationTimestamp") or ""):
            if LoadBalancer.from_object(service) is not None:
                self._pool.adopt(key_of(service), ingress_of(service))
        self._unsubscribe = self._services.subscribe(self._changed)
        for number in range(_WORKERS):
            self._tasks.spawn(self._work(), name=f"worker {number}")

    async def stop(self) -> None:
        """Stops; addresses stay with their Services."""
        self._unsubscribe()
        self._queue.shut_down()
        await self._tasks.close()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for obj in (new, old):
            if obj is not None:
                self._queue.add(key_of(obj))
                return

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except QueueShutDown:
                return
            try:
                await self._reconcile(key)
                self._queue.forget(key)
            except (StatusError, ConnectionFailed, NoAddress) as error:
                if not isinstance(error, Conflict | NotFound | NoAddress):
                    _log.warning("load balancer of %s: %s", key, error)
                self._queue.add_rate_limited(key)
            except Exception:
                _log.exception("load balancer of %s", key)
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: ObjectKey) -> None:
        service = self._services.get(key.namespace, key.name)
        balancer = LoadBalancer.from_object(service) if service is not None else None
        if service is None:
            self._let_go(key)
        elif balancer is None:
            await self._tear_down(key, service)
        else:
            await self._ensure(key, service, balancer)

    async def _ensure(self, key: ObjectKey, service: Object, balancer: LoadBalancer) -> None:
        service = await self._with_finalizer(service)
        try:
            addresses = self._pool.assign(key, balancer.families, balancer.requested)
        except NoAddress as reason:
            self._recorder.event(service, "Warning", "SyncLoadBalancerFailed", f"Error syncing load balancer: {reason}")
            self._queue.add_rate_limited(key)
            raise
        self._announce(key, (balancer, addresses))
        await self._describe_publication(service, balancer, addresses)
        status = {"ingress": [{"ip": ip, "ipMode": balancer.ip_mode} for ip in addresses]}
        if ((service.get("status") or {}).get("loadBalancer") or {}) == status:
            return
        self._recorder.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        await self._patch(service, {"status": {"loadBalancer": status}})
        self._recorder.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    async def _tear_down(self, key: ObjectKey, service: Object) -> None:
        """No longer a load balancer of ours, or being deleted."""
        finalizers = metadata(service).get("finalizers") or []
        mine = FINALIZER in finalizers
        self._let_go(key)
        if not mine:
            return
        self._recorder.event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        if ingress_of(service) and not is_deleting(service):
            await self._patch(service, {"status": {"loadBalancer": None}})
        left = [each for each in finalizers if each != FINALIZER]
        await self._patch(service, {"metadata": {"finalizers": left, "annotations": {PUBLISHED_ANNOTATION: None}}})
        self._recorder.event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")

    def _let_go(self, key: ObjectKey) -> None:
        self._pool.release(key)
        self._announce(key, None)

    async def _with_finalizer(self, service: Object) -> Object:
        """A Service is marked before it gets anything that must be given back."""
        finalizers = metadata(service).get("finalizers") or []
        if FINALIZER in finalizers:
            return service
        version = metadata(service).get("resourceVersion")
        patch = {"metadata": {"finalizers": [*finalizers, FINALIZER], "resourceVersion": version}}
        return await self._patch(service, patch)

    async def _describe_publication(self, service: Object, balancer: LoadBalancer, addresses: tuple[str, ...]) -> None:
        text = self._describe(balancer, addresses)
        if text != annotations_of(service).get(PUBLISHED_ANNOTATION, ""):
            await self._patch(service, {"metadata": {"annotations": {PUBLISHED_ANNOTATION: text or None}}})

    async def _patch(self, service: Object, patch: Object) -> Object:
        """Through the status, all of it: its role lets a service controller write nothing else (as upstream's does)."""
        return await self._client.patch(
            resources.SERVICES, name_of(service), patch, namespace_of(service), subresource="status"
        )
