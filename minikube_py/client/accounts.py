"""Acting as a ServiceAccount: each controller writes under a least-privilege identity of its own.

As upstream's controller manager with ``--use-service-account-credentials`` (``k8s.io/controller-manager``
``pkg/clientbuilder``): the accounts live in kube-system, are made when they are first needed, and hold short-lived
tokens (TokenRequest). A token is asked for with the first write, so an idle controller costs nothing; all of them
share one pool of connections.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from minikube_py.aio.clock import Clock
from minikube_py.api.errors import AlreadyExists, NotFound
from minikube_py.api.resources import SERVICEACCOUNTS
from minikube_py.api.types import Object
from minikube_py.client.access import access_from_config
from minikube_py.client.rest import Client
from minikube_py.config.parts import ApiAccess

NAMESPACE = "kube-system"
_TOKEN_SECONDS = 3600
#: A token is renewed when this much of its life is over.
_RENEW_AT = 0.8


class AccountToken:
    """The bearer token of one ServiceAccount (``client.access.Credential``). ``client`` may create tokens."""

    def __init__(self, client: Client, account: str, *, clock: Clock) -> None:
        self._client = client
        self._account = account
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good for a while. Raises StatusError, ConnectionFailed where none is to be had."""
        async with self._asking:
            if not self._token or self._clock.monotonic() >= self._renew_at:
                self._token = await self._ask()
                self._renew_at = self._clock.monotonic() + _TOKEN_SECONDS * _RENEW_AT
            return self._token

    def refused(self, token: str) -> None:
        """The server does not know ``token`` (any more): the account was made anew, or the server's key was."""
        if token == self._token:
            self._token = ""

    async def _ask(self) -> str:
        try:
            return await self._request()
        except NotFound:
            await self._make_account()
        return await self._request()

    async def _request(self) -> str:
        body: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [], "expirationSeconds": _TOKEN_SECONDS},
        }
        answer = await self._client.create(SERVICEACCOUNTS, body, NAMESPACE, name=self._account, subresource="token")
        return str(answer["status"]["token"])

    async def _make_account(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        try:
            meta = {"metadata": {"name": self._account, "namespace": NAMESPACE}}
            await self._client.create(SERVICEACCOUNTS, {**account, **meta})
        except AlreadyExists:
            pass  # somebody was quicker


class AccountClients:
    """Clients that act as ServiceAccounts of kube-system, in the pool of ``client``, who makes the tokens."""

    def __init__(self, client: Client, access: ApiAccess, *, clock: Clock) -> None:
        self._client = client
        self._access = access_from_config(replace(access, client=None, token_file=None))
        self._clock = clock
        self._clients: dict[str, Client] = {}

    def of(self, account: str) -> Client:
        """The client that acts as an account; it ends with the client whose connections it shares."""
        found = self._clients.get(account)
        if found is None:
            credential = AccountToken(self._client, account, clock=self._clock)
            found = self._clients[account] = self._client.acting_as(credential, self._access, user_agent=account)
        return found
