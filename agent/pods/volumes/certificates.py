"""Certificates for pods in projected volumes: asked for with a key that never leaves the node, and renewed (KEP-4317).

The key is made here, the certificate by a signer, who is asked by a PodCertificateRequest and answers in its status.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.pods.model import spec_of
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.payload import CertificateRequest, Credential
from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.aio.waiting import wait_at_most
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import name_of, namespace_of, parse_time, uid_of
from minikube_py.api.resources import PODCERTIFICATEREQUESTS, SERVICEACCOUNTS
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client

#: A signer that answers later is waited for by the pod's next attempt, or the next renewal.
PATIENCE_SECONDS = 10.0
_AGAIN = timedelta(minutes=1)


@dataclass(slots=True)
class _Record:
    """What one source of one volume has: a credential, and a request that is under way."""

    credential: Credential | None = None
    renew_at: datetime | None = None
    key: bytes = b""
    asked: str = ""


@dataclass(slots=True)
class _Pod:
    records: dict[CertificateRequest, _Record] = field(default_factory=dict)
    timer: Timer | None = None


class CertificateSource:
    """The certificates of this node's pods. ``on_renewal(uid)`` is called when one of a pod's is due."""

    def __init__(
        self, *, client: Client, clock: Clock, node: Callable[[], Object | None], on_renewal: Callable[[str], None]
    ) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._on_renewal = on_renewal
        self._pods: dict[str, _Pod] = {}

    async def get(self, pod: Object, request: CertificateRequest) -> Credential:
        """Key and chain. What is due for renewal stays in use while no new one is there.

        Raises VolumeError while there is none at all, and where the signer refuses.
        """
        state = self._pods.setdefault(uid_of(pod), _Pod())
        record = state.records.setdefault(request, _Record())
        if record.credential is None or record.renew_at is None or self._clock.now() >= record.renew_at:
            try:
                await self._renew(pod, request, record)
            except (StatusError, ConnectionFailed, VolumeError) as error:
                if record.credential is None:
                    raise VolumeError(f"no credentials yet: {error}") from error
                record.renew_at = self._clock.now() + _AGAIN
            self._schedule(uid_of(pod), state)
        assert record.credential is not None
        return record.credential

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        state = self._pods.pop(uid, None)
        if state is not None and state.timer is not None:
            state.timer.cancel()

    def close(self) -> None:
        """Stop renewing."""
        for uid in list(self._pods):
            self.forget(uid)

    async def _renew(self, pod: Object, request: CertificateRequest, record: _Record) -> None:
        if not record.asked:
            record.key, stub = await asyncio.to_thread(_make_key, request.key_type)
            record.asked = name_of(await self._ask(pod, request, stub))
        answer = await self._answer(namespace_of(pod), record.asked)
        if answer is None:
            raise VolumeError(f"PodCertificateRequest {record.asked} is not answered yet")
        asked, record.asked = record.asked, ""
        status = answer.get("status") or {}
        if not status.get("certificateChain"):
            raise VolumeError(f"PodCertificateRequest {asked} was refused: {_reason(status)}")
        record.credential = Credential(record.key, status["certificateChain"].encode())
        record.renew_at = parse_time(status["beginRefreshAt"])

    async def _ask(self, pod: Object, request: CertificateRequest, stub: bytes) -> Object:
        namespace, account = namespace_of(pod), spec_of(pod).get("serviceAccountName") or "default"
        node = self._node()
        if node is None:
            raise VolumeError("this node is not registered yet")
        owner = {"apiVersion": "v1", "kind": "Pod", "name": name_of(pod), "uid": uid_of(pod)}
        spec = {
            "signerName": request.signer,
            "podName": name_of(pod),
            "podUID": uid_of(pod),
            "serviceAccountName": account,
            "serviceAccountUID": uid_of(await self._client.get(SERVICEACCOUNTS, account, namespace)),
            "nodeName": name_of(node),
            "nodeUID": uid_of(node),
            "maxExpirationSeconds": request.seconds,
            "stubPKCS10Request": base64.b64encode(stub).decode(),
            "unverifiedUserAnnotations": dict(request.annotations),
        }
        body: Object = {"metadata": {"generateName": "req-", "ownerReferences": [owner]}, "spec": spec}
        return await self._client.create(PODCERTIFICATEREQUESTS, body, namespace)

    async def _answer(self, namespace: str, name: str) -> Object | None:
        """The request once it is settled (or, with an empty status, gone); None while it is not."""
        settled, tasks = asyncio.Event(), TaskSet(f"certificate-{name}")
        informer = Informer(
            self._client, PODCERTIFICATEREQUESTS, namespace=namespace, tasks=tasks, clock=self._clock,
            field_selector=f"metadata.name={name},spec.nodeName={name_of(self._node() or {})}",
        )  # fmt: skip
        informer.subscribe(lambda _old, new: settled.set() if new is None or _is_settled(new) else None)
        informer.start()
        try:
            await wait_at_most(settled, PATIENCE_SECONDS, clock=self._clock, tasks=tasks)
            known = informer.get(namespace, name)
            if known is None and informer.synced:
                return {}
            return known if known is not None and _is_settled(known) else None
        finally:
            await tasks.close()

    def _schedule(self, uid: str, state: _Pod) -> None:
        """One timer per pod, at the earliest renewal."""
        if state.timer is not None:
            state.timer.cancel()
        due = min((record.renew_at for record in state.records.values() if record.renew_at), default=None)
        if due is not None and uid in self._pods:
            seconds = max((due - self._clock.now()).total_seconds(), 1.0)
            state.timer = self._clock.call_later(seconds, lambda: self._on_renewal(uid))


def _make_key(kind: str) -> tuple[bytes, bytes]:
    """Whoever needs no keys does without what makes them: its import is a tenth of an agent's memory."""
    from agent.pods.volumes.keys import make_key

    return make_key(kind)


def _is_settled(request: Object) -> bool:
    return bool((request.get("status") or {}).get("conditions"))


def _reason(status: Object) -> str:
    told = (f"{each.get('reason')}: {each.get('message', '')}" for each in status.get("conditions") or ())
    return "; ".join(told) or "it was deleted"
