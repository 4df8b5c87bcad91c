"""Says of every flow schema whether the priority level that it names is there: its condition ``Dangling``."""

from __future__ import annotations

import logging
from datetime import datetime

import orjson

from apiserver.auth.identity import LOOPBACK
from apiserver.routes.catalog import Catalog
from apiserver.routes.options import WriteOptions
from apiserver.routes.patching import Patcher
from apiserver.routes.writing import WriteRequest
from minikube_py.aio.clock import Clock, Timer
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import find_condition, format_time, name_of
from minikube_py.api.patch import PatchKind
from minikube_py.api.resources import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS, Resource
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)

#: Who writes the condition, as managedFields name it.
CONSUMER = "api-priority-and-fairness-config-consumer-v1"
#: A server that starts has better things to do than to describe itself.
_STARTING_SECONDS = 1.0


def dangling_condition(level: str, *, exists: bool, now: datetime) -> Object:
    """The condition, in upstream's words."""
    words = "and it exists" if exists else "but there is no such object"
    return {
        "type": "Dangling",
        "status": "False" if exists else "True",
        "lastTransitionTime": format_time(now),
        "reason": "Found" if exists else "NotFound",
        "message": f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {words}',
    }


class DanglingConditions:
    """Follows the commits of schemas and levels, and writes afterwards what they have come to."""

    def __init__(self, *, catalog: Catalog, patcher: Patcher, clock: Clock) -> None:
        self._catalog = catalog
        self._patcher = patcher
        self._clock = clock
        self._timer: Timer | None = None
        self._pause = _STARTING_SECONDS

    def follow(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """Hears of every commit (``Writer.followers``)."""
        del old, new
        if self._timer is None and resource in (FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS):
            self._timer = self._clock.call_later(self._pause, self._settle_all)

    def stop(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _settle_all(self) -> None:
        self._timer, self._pause = None, 0.0
        for stored in self._catalog.of(FLOWSCHEMAS).collection.everything():
            try:
                self._settle(stored.load())
            except StatusError as error:
                _log.warning("flow schema %s has no condition: %s", stored.name, error)

    def _settle(self, schema: Object) -> None:
        level, served = _level_of(schema), self._catalog.of(FLOWSCHEMAS)
        exists = self._catalog.of(PRIORITYLEVELCONFIGURATIONS).collection.get("", level) is not None
        wanted = dangling_condition(level, exists=exists, now=self._clock.now())
        found = find_condition((schema.get("status") or {}).get("conditions"), "Dangling") or {}
        if found.get("message") == wanted["message"] and found.get("status") == wanted["status"]:
            return
        name = name_of(schema)
        body = {
            "apiVersion": FLOWSCHEMAS.api_version,
            "kind": FLOWSCHEMAS.kind,
            "metadata": {"name": name},
            "status": {"conditions": [wanted]},
        }
        request = WriteRequest(
            served=served, user=LOOPBACK, now=self._clock.now(), name=name, subresource="status", manager=CONSUMER
        )
        options = WriteOptions(field_manager=CONSUMER, force=True)
        self._patcher.patch(request, PatchKind.APPLY, orjson.dumps(body), options)


def _level_of(schema: Object) -> str:
    return str(((schema.get("spec") or {}).get("priorityLevelConfiguration") or {}).get("name") or "")
