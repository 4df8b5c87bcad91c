"""Publishing statuses: the newest wins, nothing is lost while the server is away, nothing is sent twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agent.pods.status_manager import LAZY_SECONDS, StatusManager
from minikube_py.aio.clock import FakeClock
from minikube_py.api.errors import Conflict, InternalError, NotFound
from minikube_py.api.types import Object
from minikube_py.client.errors import ConnectionFailed
from tests.support.podstates import make_pod


class Server:
    """Keeps one status; fails as it is told."""

    def __init__(self) -> None:
        self.status: Object = {}
        self.revision = 1
        self.patches: list[Object] = []
        self.faults: list[Exception] = []
        self.keeps_phase_as: str | None = None
        self.meddle: Callable[[], None] = lambda: None

    async def patch(self, _resource: Any, _name: str, patch: Object, _namespace: str, **_: Any) -> Object:
        if self.faults:
            raise self.faults.pop(0)
        self.patches.append(patch["status"])
        self.revision += 1
        self.status = {**self.status, **patch["status"]}
        if self.keeps_phase_as:
            self.status["phase"] = self.keeps_phase_as
        answer = self.pod()
        self.meddle()
        return answer

    def pod(self) -> Object:
        pod = make_pod(metadata={"resourceVersion": str(self.revision)})
        return pod | {"status": self.status}


class Setting:
    def __init__(self) -> None:
        self.server = Server()
        self.clock = FakeClock()
        self.manager = StatusManager(client=self.server, clock=self.clock)  # type: ignore[arg-type]

    async def set(self, phase: str, *, lazily: bool = False) -> None:
        self.manager.set(make_pod(), {"phase": phase}, lazily=lazily)
        await self.clock.settle()

    @property
    def sent(self) -> list[str]:
        return [patch["phase"] for patch in self.server.patches]


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    found = Setting()
    yield found
    await found.manager.stop()


async def test_a_status_is_sent_once(setting: Setting) -> None:
    await setting.set("Running")
    await setting.set("Running")
    setting.manager.observed(setting.server.pod())
    await setting.clock.advance(60)
    assert setting.sent == ["Running"]


async def test_a_lazy_status_is_overtaken_or_sent_a_little_later(setting: Setting) -> None:
    await setting.set("Pending", lazily=True)
    assert setting.sent == []
    await setting.set("Running")
    await setting.clock.advance(1)
    assert setting.sent == ["Running"]
    await setting.set("Pending", lazily=True)
    await setting.clock.advance(LAZY_SECONDS)
    assert setting.sent == ["Running", "Pending"]


async def test_the_newest_status_arrives_when_the_server_is_back(setting: Setting) -> None:
    setting.server.faults = [ConnectionFailed("away"), InternalError("sick"), ConnectionFailed("away")]
    await setting.set("Pending")
    await setting.set("Running")
    await setting.set("Succeeded")
    await setting.clock.advance(30)
    assert setting.sent == ["Succeeded"]
    await setting.manager.flush("u1")


async def test_what_others_overwrite_is_restored(setting: Setting) -> None:
    await setting.set("Running")
    setting.server.revision += 1
    setting.server.status = {"phase": "Failed"}
    setting.manager.observed(setting.server.pod())
    await setting.clock.settle()
    assert setting.sent == ["Running", "Running"]


async def test_what_others_overwrite_before_our_answer_comes_is_restored_too(setting: Setting) -> None:
    def overwrite() -> None:
        server.meddle = lambda: None
        server.revision += 1
        server.status = {**server.status, "phase": "Failed"}
        setting.manager.observed(server.pod())

    server = setting.server
    server.meddle = overwrite
    await setting.set("Running")
    assert setting.sent == ["Running", "Running"]
    assert server.status["phase"] == "Running"


async def test_old_news_change_nothing(setting: Setting) -> None:
    old = setting.server.pod()
    await setting.set("Running")
    setting.manager.observed(old)
    await setting.clock.settle()
    assert setting.sent == ["Running"]


async def test_a_status_that_the_server_keeps_differently_is_not_sent_for_ever(setting: Setting) -> None:
    setting.server.keeps_phase_as = "running"
    await setting.set("Running")
    for _ in range(5):
        setting.server.revision += 1
        setting.manager.observed(setting.server.pod())
        await setting.clock.advance(10)
    assert setting.sent == ["Running"]


@pytest.mark.parametrize("fault", [NotFound("gone"), Conflict("the UID in the precondition does not match")])
async def test_a_pod_that_is_gone_is_settled(setting: Setting, fault: Exception) -> None:
    setting.server.faults = [fault]
    await setting.set("Running")
    await setting.manager.flush("u1")
    await setting.clock.advance(60)
    assert setting.sent == []


async def test_forgetting_lets_go_of_who_waits(setting: Setting) -> None:
    setting.server.faults = [ConnectionFailed("away")] * 1000
    await setting.set("Running")
    setting.manager.forget("u1")
    await setting.manager.flush("u1")
    assert setting.manager.get("u1") is None
