"""Service account tokens for projected volumes: bound to their pod, renewed before they expire (KEP-1205)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.pods.model import spec_of
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.payload import TokenRequest
from minikube_py.aio.clock import Clock, Timer
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import name_of, namespace_of, parse_time, uid_of
from minikube_py.api.resources import SERVICEACCOUNTS
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.rest import Client

#: A token is renewed when it has lived this part of its life, or this long.
RENEW_AFTER = 0.8
RENEW_AFTER_AT_MOST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: datetime


class TokenSource:
    """The tokens of this node's pods. ``on_renewal(uid)`` is called when one of a pod's tokens is due."""

    def __init__(self, *, client: Client, clock: Clock, on_renewal: Callable[[str], None]) -> None:
        self._client = client
        self._clock = clock
        self._on_renewal = on_renewal
        self._tokens: dict[str, dict[TokenRequest, _Token]] = {}
        self._timers: dict[str, Timer] = {}

    async def get(self, pod: Object, request: TokenRequest) -> str:
        """A token that is not due for renewal. An old one is kept while the API server cannot give a new one.

        Raises VolumeError where there is none at all.
        """
        tokens = self._tokens.setdefault(uid_of(pod), {})
        known = tokens.get(request)
        if known is not None and self._clock.now() < known.renew_at:
            return known.text
        try:
            tokens[request] = fresh = await self._request(pod, request)
        except (StatusError, ConnectionFailed) as error:
            if known is not None:
                return known.text
            raise VolumeError(f"failed to fetch token: {error}") from error
        self._schedule(uid_of(pod))
        return fresh.text

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._tokens.pop(uid, None)
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Stop renewing."""
        for uid in list(self._tokens):
            self.forget(uid)

    async def _request(self, pod: Object, request: TokenRequest) -> _Token:
        account = spec_of(pod).get("serviceAccountName") or "default"
        body: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [request.audience] if request.audience else [],
                "expirationSeconds": request.seconds,
                "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": name_of(pod), "uid": uid_of(pod)},
            },
        }
        asked = self._clock.now()
        answer = await self._client.create(SERVICEACCOUNTS, body, namespace_of(pod), name=account, subresource="token")
        expires = parse_time(answer["status"]["expirationTimestamp"])
        life = min((expires - asked) * RENEW_AFTER, RENEW_AFTER_AT_MOST)
        return _Token(answer["status"]["token"], asked + life)

    def _schedule(self, uid: str) -> None:
        """One timer per pod, at the earliest renewal."""
        previous = self._timers.pop(uid, None)
        if previous is not None:
            previous.cancel()
        due = min(token.renew_at for token in self._tokens[uid].values())
        seconds = max((due - self._clock.now()).total_seconds(), 1.0)
        self._timers[uid] = self._clock.call_later(seconds, lambda: self._on_renewal(uid))
