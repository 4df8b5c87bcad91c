"""The loop that every controller shares: events become keys, keys are reconciled, failures come back later."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

from minikube_py.aio.queue import QueueShutDown, WorkQueue
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Conflict, NotFound, StatusError
from minikube_py.api.meta import key_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.informer import Informer
from minikube_py.controllers.context import Context
from minikube_py.controllers.writes import CacheLags

_log = logging.getLogger(__name__)

#: From a changed object to the keys that need a look.
Mapper = Callable[[Object], Iterable[ObjectKey]]


class Controller(ABC):
    """Reconciles keys one at a time per key, several keys at once.

    A subclass declares what it watches in ``__init__`` (``follow``, ``watch``) and implements ``reconcile``, which must
    be idempotent: it reads the caches, compares with what should be, and writes the difference through ``self.writes``.
    What it writes comes back as an event and queues the key again; a reconcile that queued its own key without having
    written anything would spin, so none does: it waits for events, or for a time (``add_after``).
    """

    #: The component named in events, as upstream names it.
    name: ClassVar[str]
    #: The ServiceAccount of kube-system that it acts as; ``system:controller:<account>`` is its role.
    account: ClassVar[str]
    #: How many keys are worked on at once.
    workers: ClassVar[int] = 5

    def __init__(self, context: Context) -> None:
        self.context = context
        self.clock = context.clock
        self.writes = context.writes
        self.events = context.recorder(self.name)
        self.queue: WorkQueue[ObjectKey] = WorkQueue(clock=context.clock)
        self._tasks = TaskSet(self.name)

    @abstractmethod
    async def reconcile(self, key: ObjectKey) -> None:
        """Bring what ``key`` names closer to what it should be. Raising means: again, later."""

    async def start(self) -> None:
        """Begin to work. The informers are synced by now."""
        for number in range(self.workers):
            self._tasks.spawn(self._work(), name=f"worker {number}")

    async def stop(self) -> None:
        """Stop at the next await; everything half done is found and finished after the next start."""
        self.queue.shut_down()
        await self._tasks.close()

    def follow(self, resource: Resource, mapper: Mapper | None = None) -> Informer:
        """The resource's informer. Writes to it wait for its cache; changes queue the object's key, or the mapper's."""
        informer = self.writes.follow(resource)
        self.watch(informer, mapper or (lambda obj: (key_of(obj),)))
        return informer

    def watch(self, informer: Informer, mapper: Mapper) -> None:
        """Queue what ``mapper`` makes of every change: of the old state and of the new."""

        def handler(old: Object | None, new: Object | None) -> None:
            for obj in (new, old):
                if obj is not None:
                    for key in mapper(obj):
                        self.queue.add(key)

        informer.subscribe(handler)

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueShutDown:
                return
            try:
                await self._attempt(key)
            finally:
                self.queue.done(key)

    async def _attempt(self, key: ObjectKey) -> None:
        try:
            await self.reconcile(key)
        except (Conflict, NotFound, CacheLags) as error:
            _log.debug("%s %s: %s", self.name, key, error)
            self.queue.add_rate_limited(key)
        except (StatusError, ConnectionFailed) as error:
            _log.info("%s %s: %s", self.name, key, error)
            self.queue.add_rate_limited(key)
        except Exception:
            _log.exception("%s %s failed", self.name, key)
            self.queue.add_rate_limited(key)
        else:
            self.queue.forget(key)
