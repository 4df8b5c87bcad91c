"""Tokens are bound to their pod, renewed in time, and outlive an API server that is away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.payload import TokenRequest
from agent.pods.volumes.tokens import TokenSource
from minikube_py.aio.clock import FakeClock
from minikube_py.api.errors import Forbidden
from minikube_py.api.meta import format_time
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from tests.support.podstates import make_pod


class Issuer:
    """Answers TokenRequests with numbered tokens."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[Object] = []
        self.fault: Exception | None = None

    async def create(self, _resource: Any, body: Object, namespace: str, *, name: str, subresource: str) -> Object:
        if self.fault is not None:
            raise self.fault
        self.asked.append({**body["spec"], "account": f"{namespace}/{name}/{subresource}"})
        expires = self.clock.now() + timedelta(seconds=body["spec"]["expirationSeconds"])
        return {"status": {"token": f"t{len(self.asked)}", "expirationTimestamp": format_time(expires)}}


REQUEST = TokenRequest("vault", 3600)


@pytest.fixture
def setting() -> tuple[FakeClock, Issuer, TokenSource, list[str]]:
    clock = FakeClock()
    issuer, due = Issuer(clock), list[str]()
    return clock, issuer, TokenSource(client=issuer, clock=clock, on_renewal=due.append), due  # type: ignore[arg-type]


Setting = tuple[FakeClock, Issuer, TokenSource, list[str]]


async def test_a_token_is_bound_to_its_pod_and_kept(setting: Setting) -> None:
    _, issuer, tokens, _ = setting
    pod = make_pod(serviceAccountName="robot")
    assert [await tokens.get(pod, REQUEST), await tokens.get(pod, REQUEST)] == ["t1", "t1"]
    (asked,) = issuer.asked
    assert asked["account"] == "default/robot/token"
    assert asked["audiences"] == ["vault"]
    assert asked["boundObjectRef"] == {"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": "u1"}


async def test_it_is_renewed_when_four_fifths_of_its_life_are_over(setting: Setting) -> None:
    clock, _, tokens, due = setting
    await tokens.get(make_pod(), REQUEST)
    await clock.advance(2879)
    assert due == []
    await clock.advance(1)
    assert due == ["u1"]
    assert await tokens.get(make_pod(), REQUEST) == "t2"


async def test_the_old_one_stays_while_there_is_no_new_one(setting: Setting) -> None:
    clock, issuer, tokens, _ = setting
    await tokens.get(make_pod(), REQUEST)
    issuer.fault = ConnectionFailed("away")
    await clock.advance(3000)
    assert await tokens.get(make_pod(), REQUEST) == "t1"


async def test_without_any_the_volume_waits(setting: Setting) -> None:
    _, issuer, tokens, _ = setting
    issuer.fault = Forbidden("no")
    with pytest.raises(VolumeError, match="failed to fetch token: no"):
        await tokens.get(make_pod(), REQUEST)


async def test_a_forgotten_pod_is_not_renewed(setting: Setting) -> None:
    clock, _, tokens, due = setting
    await tokens.get(make_pod(), REQUEST)
    tokens.forget("u1")
    await clock.advance(10_000)
    assert due == []
