"""Events that people read in ``kubectl describe``: recorded beside the work, never in its way.

Repeats are folded as client-go's correlator folds them (``tools/record/events_cache.go``): an identical event counts up
the one already there; more than ten that differ only by message within ten minutes become one "combined from similar
events"; one source may send 25 events about an object at once and one more every five minutes after that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import NotFound, StatusError
from minikube_py.api.meta import format_time, name_of, namespace_of, uid_of
from minikube_py.api.resources import EVENTS
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client

_log = logging.getLogger(__name__)

NORMAL, WARNING = "Normal", "Warning"
_SIMILAR_EVENTS = 10
_SIMILAR_WITHIN_SECONDS = 600.0
_BURST = 25
_REFILL_SECONDS = 300.0
_REMEMBERED = 4096
_MOST_WAITING = 1000
_TRIES = 12
_RETRY_SECONDS = 10.0
_MESSAGE_BYTES = 1024
#: What is told of goes first: a pod's start shares processor, connection and server with the events about it.
_SETTLE_SECONDS = 0.1

V = TypeVar("V")


class _Recent(Generic[V]):
    """A map that forgets what was used least recently."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: tuple[str, ...], value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > _REMEMBERED:
            self._values.popitem(last=False)


@dataclass(slots=True)
class _Allowance:
    """A token bucket: events that may still be sent about one object."""

    tokens: float
    filled_at: float

    def take(self, now: float) -> bool:
        self.tokens = min(_BURST, self.tokens + (now - self.filled_at) / _REFILL_SECONDS)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Similar:
    """Messages seen lately for events that are otherwise alike."""

    last_at: float
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Told:
    """An event on the server that repeats count up."""

    name: str
    count: int
    first: str


class Correlator:
    """Decides what becomes of an event: sent as it is, counted onto an earlier one, or dropped. No I/O."""

    def __init__(self) -> None:
        self._allowances: _Recent[_Allowance] = _Recent()
        self._similar: _Recent[_Similar] = _Recent()
        self._told: _Recent[_Told] = _Recent()

    def correlate(self, event: Object, now: float) -> tuple[Object, bool] | None:
        """The event to send and whether it counts up one that is there; None where there are too many.

        ``now`` is monotonic seconds.
        """
        involved = event["involvedObject"]
        about = (*(str(involved.get(part) or "") for part in _IDENTITY), event["type"])
        if not self._allowance(about, now).take(now):
            return None
        key = self._aggregate(event, (*about, event["reason"]), now)
        told = self._told.get(key)
        if told is None:
            self._told.put(key, _Told(event["metadata"]["name"], 1, event["firstTimestamp"]))
            return event, False
        told.count += 1
        metadata = {**event["metadata"], "name": told.name}
        return {**event, "metadata": metadata, "count": told.count, "firstTimestamp": told.first}, True

    def _allowance(self, about: tuple[str, ...], now: float) -> _Allowance:
        allowance = self._allowances.get(about)
        if allowance is None:
            allowance = _Allowance(_BURST, now)
            self._allowances.put(about, allowance)
        return allowance

    def _aggregate(self, event: Object, alike: tuple[str, ...], now: float) -> tuple[str, ...]:
        """The key under which repeats are counted; rewrites the message where too many are alike."""
        similar = self._similar.get(alike)
        if similar is None or now - similar.last_at > _SIMILAR_WITHIN_SECONDS:
            similar = _Similar(now)
            self._similar.put(alike, similar)
        similar.last_at = now
        if len(similar.messages) < _SIMILAR_EVENTS:
            similar.messages.add(event["message"])
        if len(similar.messages) < _SIMILAR_EVENTS:
            return (*alike, event["message"])
        event["message"] = f"(combined from similar events): {event['message']}"
        return alike


_IDENTITY = ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")


class EventRecorder:
    """Records events of one component. ``event`` returns at once; a task of its own sends, in order.

    ``clock`` is the cluster's time. ``pace`` is the processor's, for which sending waits its turn.
    """

    def __init__(
        self, client: Client, component: str, host: str = "", *, clock: Clock | None = None, pace: Clock | None = None
    ) -> None:
        self._client = client
        self._source = {"component": component} | ({"host": host} if host else {})
        self._clock = clock or SystemClock()
        self._pace = pace or SystemClock()
        self._correlator = Correlator()
        self._tasks = TaskSet(f"events of {component}")
        self._waiting: deque[Object] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._started = False
        self._last_name = 0

    def event(self, obj: Object, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record that something happened to ``obj``. ``type`` is "Normal" or "Warning".

        Events that cannot be delivered (no server for two minutes, more than 1,000 waiting) are logged and dropped.
        """
        now = self._clock.now()
        self._enqueue(self._make(_reference(obj, field_path), type, reason, message, now))

    async def flush(self) -> None:
        """Send what is waiting. Returns when all that was recorded has been sent or dropped."""
        self._hurry.set()
        await self._idle.wait()

    async def close(self, *, seconds: float = 1.0) -> None:
        """Send what is waiting, for ``seconds`` at most, and stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.flush()
        except TimeoutError:
            _log.info("%d events were not sent", len(self._waiting))
        await self._tasks.close()

    def _make(self, reference: Object, type: str, reason: str, message: str, now: datetime) -> Object:
        stamp = format_time(now)
        self._last_name = max(self._last_name + 1, int(now.timestamp() * 1_000_000) * 1000)  # names must differ
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{reference['name']}.{self._last_name:x}",
                "namespace": reference.get("namespace") or "default",
            },
            "involvedObject": reference,
            "reason": reason,
            "message": message.encode()[:_MESSAGE_BYTES].decode(errors="ignore"),
            "source": self._source,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": type,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }

    def _enqueue(self, event: Object) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            _log.warning("too many events are waiting, dropping %s: %s", event["reason"], event["message"])
            return
        self._waiting.append(event)
        self._idle.clear()
        self._arrived.set()
        if not self._started:
            self._started = True
            self._tasks.spawn(self._send_all(), name="sender")

    async def _send_all(self) -> None:
        while True:
            await self._arrived.wait()
            await self._settle()
            while self._waiting:
                await self._send(self._waiting[0])
                self._waiting.popleft()
            self._arrived.clear()
            self._hurry.clear()
            self._idle.set()

    async def _settle(self) -> None:
        timer = self._pace.call_later(_SETTLE_SECONDS, self._hurry.set)
        try:
            await self._hurry.wait()
        finally:
            timer.cancel()

    async def _send(self, event: Object) -> None:
        correlated = self._correlator.correlate(event, self._clock.monotonic())
        if correlated is None:
            return
        for _ in range(_TRIES):
            try:
                await self._write(*correlated)
                return
            except StatusError as error:
                _log.info("the server refused event %s: %s", event["reason"], error)
                return
            except ConnectionFailed as error:
                _log.info("event %s waits for the server: %s", event["reason"], error)
                await self._clock.sleep(_RETRY_SECONDS)
        _log.warning("event dropped: %s: %s", event["reason"], event["message"])

    async def _write(self, event: Object, repeated: bool) -> None:
        if repeated:
            changed = {key: event[key] for key in ("count", "lastTimestamp", "message")}
            try:
                await self._client.patch(EVENTS, name_of(event), changed, namespace_of(event))
                return
            except NotFound:
                pass  # expired meanwhile: tell it anew
        await self._client.create(EVENTS, event)


def _reference(obj: Object, field_path: str) -> Object:
    """A reference to an object, or the object itself where it is an ObjectReference already."""
    if "metadata" not in obj:
        return {**obj, **({"fieldPath": field_path} if field_path else {})}
    reference = {
        "kind": obj.get("kind"),
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
        "apiVersion": obj.get("apiVersion"),
        "resourceVersion": obj["metadata"].get("resourceVersion"),
        "fieldPath": field_path,
    }
    return {key: value for key, value in reference.items() if value}
