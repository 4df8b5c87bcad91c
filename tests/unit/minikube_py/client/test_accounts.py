"""Tokens of ServiceAccounts: asked for when needed, renewed before they end, made anew when they are not known."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.aio.clock import FakeClock
from minikube_py.api.errors import NotFound, Unauthorized
from minikube_py.api.types import Object
from minikube_py.client.access import Access
from minikube_py.client.accounts import AccountToken
from minikube_py.client.rest import Client
from tests.support.fakeapi import FakeAPI


class Issuer:
    """The part of a client that makes accounts and tokens."""

    def __init__(self, *accounts: str) -> None:
        self.accounts = set(accounts)
        self.issued = 0

    async def create(self, resource: Any, obj: Object, namespace: str = "", *, name: str = "", **_: Any) -> Object:
        if obj["kind"] == "ServiceAccount":
            self.accounts.add(obj["metadata"]["name"])
            return obj
        if name not in self.accounts:
            raise NotFound(f'{resource.plural} "{name}" not found')
        assert namespace == "kube-system"
        self.issued += 1
        return {"status": {"token": f"token-{self.issued}"}}


def token_of(issuer: Issuer, clock: FakeClock) -> AccountToken:
    client: Any = issuer
    return AccountToken(client, "job-controller", clock=clock)


async def test_a_token_is_kept_and_renewed_before_it_ends() -> None:
    clock, issuer = FakeClock(), Issuer("job-controller")
    token = token_of(issuer, clock)
    assert issuer.issued == 0, "nothing is asked for before it is needed"
    assert [await token.token(), await token.token()] == ["token-1", "token-1"]
    await clock.advance(3000)
    assert await token.token() == "token-2"


async def test_an_account_that_is_not_there_is_made() -> None:
    issuer = Issuer()
    assert await token_of(issuer, FakeClock()).token() == "token-1"
    assert issuer.accounts == {"job-controller"}


async def test_a_refused_token_is_not_shown_again() -> None:
    token = token_of(Issuer("job-controller"), FakeClock())
    first = await token.token()
    token.refused("of somebody else")
    assert await token.token() == first
    token.refused(first)
    assert await token.token() != first


async def test_a_request_with_an_unknown_token_is_sent_again_with_a_new_one() -> None:
    async with FakeAPI() as api, Client(api.url) as client:
        issuer: Any = Issuer("a")
        account = client.acting_as(AccountToken(issuer, "a", clock=FakeClock()), Access(api.url), user_agent="a")
        api.faults = [Unauthorized()]
        assert await account.raw("/api/v1/namespaces/x/pods")
        assert issuer.issued == 2
        api.faults = [Unauthorized(), Unauthorized()]
        with pytest.raises(Unauthorized):
            await account.raw("/api/v1/namespaces/x/pods")
