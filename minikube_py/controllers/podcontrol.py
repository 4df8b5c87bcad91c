"""Making and removing pods on behalf of a controller, with the events a user looks for.

Event reasons and messages are those of upstream's ``RealPodControl``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from minikube_py.api.errors import Forbidden, Invalid, NotFound, StatusError
from minikube_py.api.meta import name_of, namespace_of, owner_reference
from minikube_py.api.resources import PODS
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.events import EventRecorder
from minikube_py.controllers.writes import Writes

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: No controller makes or removes more pods in one round.
BURST = 500
_LONGEST_PREFIX = 253 - 5


def pod_from_template(owner: Object, template: Mapping[str, Any], *, name: str | None = None) -> Object:
    """A pod as the template describes it, owned by ``owner``; without a name it gets one made from the owner's."""
    source = template.get("metadata") or {}
    meta: Object = {
        "namespace": namespace_of(owner),
        "labels": dict(source.get("labels") or {}),
        "annotations": dict(source.get("annotations") or {}),
        "ownerReferences": [owner_reference(owner)],
    }
    if source.get("finalizers"):
        meta["finalizers"] = list(source["finalizers"])
    if name is None:
        meta["generateName"] = f"{name_of(owner)[: _LONGEST_PREFIX - 1]}-"
    else:
        meta["name"] = name
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": dict(template.get("spec") or {})}


class PodControl:
    """Creates and deletes pods and says so on the owner."""

    def __init__(self, *, writes: Writes, events: EventRecorder) -> None:
        self._writes = writes
        self._events = events

    async def create(self, owner: Object, pod: Object) -> Object | None:
        """Create the pod. None where its namespace is being emptied (nobody is to blame). Raises what the API says."""
        try:
            created = await self._writes.create(PODS, pod)
        except StatusError as error:
            if namespace_is_terminating(error):
                return None
            self._events.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name_of(created)}")
        return created

    async def delete(self, owner: Object, pod: Object) -> bool:
        """Ask for the pod's deletion; False where it is gone. Raises what the API says."""
        try:
            found = await self._writes.delete(PODS, pod)
        except StatusError as error:
            self._events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        if found:
            self._events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        return found

    async def create_many(self, owner: Object, pods: Sequence[Object]) -> StatusError | ConnectionFailed | None:
        """Create all, the first one alone, then twice as many each time, so that a quota is asked a few times, not a
        thousand. Returns the error that ended it early."""

        async def create(pod: Object) -> Object | None:
            return await self.create(owner, pod)

        return await slow_start(pods, create)

    async def delete_many(self, owner: Object, pods: Iterable[Object]) -> StatusError | ConnectionFailed | None:
        """Delete all at once; returns the first error."""

        async def delete(pod: Object) -> bool:
            return await self.delete(owner, pod)

        return first_error(await asyncio.gather(*(delete(pod) for pod in pods), return_exceptions=True))


def namespace_is_terminating(error: StatusError) -> bool:
    """Whether a creation was refused because its namespace is going away."""
    return isinstance(error, Forbidden) and any(cause.reason == "NamespaceTerminating" for cause in error.causes)


async def slow_start(items: Sequence[T], act: Callable[[T], Awaitable[Any]]) -> StatusError | ConnectionFailed | None:
    """Act on the items in batches of 1, 2, 4, …; stops after the first batch with an error and returns that error."""
    done, size = 0, 1
    while done < len(items):
        batch = items[done : done + size]
        error = first_error(await asyncio.gather(*(act(item) for item in batch), return_exceptions=True))
        if error is not None:
            return error
        done += len(batch)
        size *= 2
    return None


def first_error(results: Iterable[Any]) -> StatusError | ConnectionFailed | None:
    """The first API error among gathered results, NotFound last. Any other exception is raised."""
    found = [result for result in results if isinstance(result, BaseException)]
    for error in found:
        if not isinstance(error, StatusError | ConnectionFailed):
            raise error
    errors = [error for error in found if isinstance(error, StatusError | ConnectionFailed)]
    return next((error for error in errors if not isinstance(error, NotFound)), next(iter(errors), None))


def is_hopeless(error: StatusError | ConnectionFailed) -> bool:
    """Whether trying again at once is pointless: the object itself is wrong."""
    return isinstance(error, Invalid)
