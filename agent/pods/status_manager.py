"""Publishes pod statuses: the newest one per pod, one request at a time, until the API server has it.

Nothing is lost: what could not be sent is sent when the server is back, and what others overwrote is restored. Nothing
is sent twice: a status that differs from the server's in nothing is not sent, and one that the server keeps in a form
of its own is not sent again and again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from agent.pods.model import is_static
from agent.pods.status import status_patch
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.errors import Conflict, Invalid, NotFound, StatusError
from minikube_py.api.meta import name_of, namespace_of, revision_of, uid_of
from minikube_py.api.resources import PODS
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client, PatchKind

_log = logging.getLogger(__name__)
#: A status that only says "starting" waits this long, for the start itself to overtake it, also where many start.
LAZY_SECONDS = 0.2


@dataclass(slots=True)
class _Entry:
    """``api_uid`` is the uid at the API server: the pod's own, or its mirror's ("" while there is none)."""

    namespace: str
    name: str
    uid: str
    api_uid: str
    desired: Object | None
    server: Object
    revision: int
    residual: Object | None = None
    sending: bool = False
    gone: bool = False
    timer: Timer | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class StatusManager:
    """Desired statuses by pod uid, and the sender that brings them to the API server."""

    def __init__(self, *, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tasks = TaskSet("pod-status")
        self._entries: dict[str, _Entry] = {}
        self._stopping = False

    async def stop(self) -> None:
        self._stopping = True
        for entry in self._entries.values():
            if entry.timer is not None:
                entry.timer.cancel()
        await self._tasks.close()

    def get(self, uid: str) -> Object | None:
        """The status last set, whether it has been sent or not."""
        entry = self._entries.get(uid)
        return entry.desired if entry else None

    def observed(self, pod: Object) -> None:
        """The API server's version of a pod: a newer one replaces what is known and is corrected where it is wrong."""
        entry = self._entries.get(uid_of(pod))
        if entry is None:
            self._entries[uid_of(pod)] = self._new(pod)
            return
        if revision_of(pod) >= entry.revision:
            entry.server, entry.revision = pod.get("status") or {}, revision_of(pod)
            if entry.desired is not None and self._patch(entry) not in (None, entry.residual):
                self._kick(entry)

    def mirrored(self, pod: Object, mirror: Object) -> None:
        """The static ``pod`` is shown by ``mirror``: its status goes there from now on."""
        entry = self._entries.get(uid_of(pod)) or self._new(pod)
        self._entries[entry.uid] = entry
        if entry.api_uid != uid_of(mirror):
            entry.api_uid, entry.revision, entry.residual, entry.gone = uid_of(mirror), 0, None, False
        if revision_of(mirror) >= entry.revision:
            entry.server, entry.revision = mirror.get("status") or {}, revision_of(mirror)
            if entry.desired is not None and self._patch(entry) not in (None, entry.residual):
                self._kick(entry)

    def set(self, pod: Object, status: Object, *, lazily: bool = False) -> None:
        """Publish ``status``. ``lazily`` lets a later one overtake it."""
        entry = self._entries.get(uid_of(pod)) or self._new(pod)
        self._entries[entry.uid] = entry
        if entry.desired == status and entry.settled.is_set():
            return
        entry.desired = status
        entry.settled.clear()
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        if lazily:
            entry.timer = self._clock.call_later(LAZY_SECONDS, lambda: self._kick(entry))
        else:
            self._kick(entry)

    async def flush(self, uid: str) -> None:
        """Return once the newest status is at the API server, or the pod is gone from there."""
        entry = self._entries.get(uid)
        if entry is not None and entry.desired is not None:
            self._kick(entry)
            await entry.settled.wait()

    def forget(self, uid: str) -> None:
        """The pod is gone for good."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            entry.gone = True
            entry.settled.set()
            if entry.timer is not None:
                entry.timer.cancel()

    def _new(self, pod: Object) -> _Entry:
        status = pod.get("status") or {}
        api_uid = "" if is_static(pod) else uid_of(pod)
        return _Entry(namespace_of(pod), name_of(pod), uid_of(pod), api_uid, None, status, revision_of(pod))

    @staticmethod
    def _patch(entry: _Entry) -> Object | None:
        return status_patch(entry.api_uid, entry.server, entry.desired or {})

    def _kick(self, entry: _Entry) -> None:
        if not entry.sending and not entry.gone and not self._stopping:
            entry.sending = True
            self._tasks.spawn(self._send(entry), name=f"{entry.namespace}/{entry.name}")

    async def _send(self, entry: _Entry) -> None:
        backoff = Backoff(0.2, 10.0, jitter=0.2)
        try:
            while not entry.gone and entry.api_uid:
                patch = self._patch(entry)
                if patch is None or patch == entry.residual:
                    break
                if not await self._send_once(entry, patch):
                    await self._clock.sleep(backoff.next())
        finally:
            entry.sending = False
        entry.settled.set()

    async def _send_once(self, entry: _Entry, patch: Object) -> bool:
        """One attempt. False: try again later."""
        wanted = entry.desired
        try:
            answer = await self._client.patch(
                PODS, entry.name, patch, entry.namespace, kind=PatchKind.STRATEGIC, subresource="status"
            )
        except NotFound:
            entry.gone = True
        except Conflict as error:
            return self._conflicted(entry, error)
        except Invalid as error:
            _log.error("the status of pod %s/%s is refused: %s", entry.namespace, entry.name, error)
            entry.residual = patch
        except (StatusError, ConnectionFailed) as error:
            _log.warning("cannot publish the status of pod %s/%s: %s", entry.namespace, entry.name, error)
            return False
        else:
            self._accepted(entry, answer, wanted)
        return True

    @staticmethod
    def _conflicted(entry: _Entry, error: Conflict) -> bool:
        """Another pod has taken the name (the uid differs): ours is gone. Any other conflict passes."""
        if "uid" not in str(error).lower():
            return False
        entry.gone = True
        return True

    def _accepted(self, entry: _Entry, answer: Object, wanted: Object | None) -> None:
        if revision_of(answer) >= entry.revision:
            entry.server, entry.revision = answer.get("status") or {}, revision_of(answer)
        # Against the answer, not against what somebody has made of it since: that is corrected, not put up with.
        left = status_patch(entry.api_uid, answer.get("status") or {}, wanted or {})
        if left is not None:
            _log.debug("the API server keeps the status of %s/%s differently: %s", entry.namespace, entry.name, left)
        entry.residual = left
