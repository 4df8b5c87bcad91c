"""The informers of one part: each scope is followed once, however many readers it has."""

from __future__ import annotations

from collections.abc import Mapping

from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.resources import Resource
from minikube_py.client.cache import Indexer
from minikube_py.client.informer import Informer, Scope
from minikube_py.client.rest import Client


class InformerSet:
    """Informers by scope. ``of`` before ``start`` declares; afterwards it starts at once."""

    def __init__(self, client: Client, tasks: TaskSet, clock: Clock) -> None:
        self._client = client
        self._tasks = tasks
        self._clock = clock
        self._informers: dict[Scope, Informer] = {}
        self._required: set[Scope] = set()
        self._started = False

    def of(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Indexer] | None = None,
        required: bool = True,
    ) -> Informer:
        """The informer of a scope. ``indexers`` are added to those it has; one name means one function.

        ``wait_synced`` and ``synced`` do not wait for a scope that nobody has asked for as ``required``: settings that
        may be missing, or forbidden, must not keep a part from starting.
        """
        scope = Scope(resource, namespace, label_selector, field_selector)
        informer = self._informers.get(scope)
        if informer is None:
            informer = Informer(
                self._client,
                resource,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                tasks=self._tasks,
                clock=self._clock,
            )
            self._informers[scope] = informer
            if self._started:
                informer.start()
        if required:
            self._required.add(scope)
        for name, indexer in (indexers or {}).items():
            informer.add_index(name, indexer)
        return informer

    async def start(self) -> None:
        """Start every informer declared so far. Subscribe first: handlers then see the first list as additions."""
        self._started = True
        for informer in self._informers.values():
            informer.start()

    async def wait_synced(self) -> None:
        """Return once every required informer has its first list."""
        for scope in tuple(self._required):
            await self._informers[scope].wait_synced()

    @property
    def synced(self) -> bool:
        """Whether every required informer has its first list."""
        return all(self._informers[scope].synced for scope in self._required)

    async def stop(self) -> None:
        """Stop following. What is known stays readable."""
        for informer in self._informers.values():
            await informer.stop()
