"""Events: their form, how repeats are folded, what happens without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from minikube_py.aio.clock import FakeClock
from minikube_py.api.errors import Forbidden
from minikube_py.api.resources import EVENTS
from minikube_py.api.types import Object
from minikube_py.client.events import NORMAL, WARNING, Correlator, EventRecorder
from minikube_py.client.rest import Client
from tests.support.fakeapi import FakeAPI

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"namespace": "default", "name": "web", "uid": "u1", "resourceVersion": "7"},
}


class Recording:
    def __init__(self, api: FakeAPI, client: Client) -> None:
        self.api = api
        self.clock = FakeClock()
        self.recorder = EventRecorder(client, "kubelet", "n1", clock=self.clock, pace=self.clock)

    def seen(self) -> list[tuple[str, int]]:
        return [(event["message"], event["count"]) for event in self.api.list(EVENTS)]


@pytest_asyncio.fixture
async def recording() -> AsyncIterator[Recording]:
    async with FakeAPI() as api, Client(api.url) as client:
        made = Recording(api, client)
        yield made
        await made.recorder.close()


async def test_an_event_says_what_happened_to_what(recording: Recording) -> None:
    recording.recorder.event(POD, WARNING, "BackOff", "again", field_path="spec.containers{app}")
    await recording.recorder.flush()
    (event,) = recording.api.list(EVENTS)
    assert event["metadata"]["namespace"] == "default"
    assert event["metadata"]["name"].startswith("web.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "default",
        "name": "web",
        "uid": "u1",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{app}",
    }
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "BackOff", 1)
    assert event["source"] == {"component": "kubelet", "host": "n1"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"


async def test_events_let_what_they_tell_of_go_first(recording: Recording) -> None:
    recording.recorder.event(POD, NORMAL, "Pulled", "image is there")
    await recording.clock.advance(0.05)
    assert recording.api.list(EVENTS) == []
    await recording.clock.advance(0.05)
    await recording.recorder.flush()
    assert recording.seen() == [("image is there", 1)]


async def test_repeats_count_up(recording: Recording) -> None:
    for _ in range(3):
        recording.recorder.event(POD, NORMAL, "Pulled", "image is there")
        await recording.recorder.flush()
        await recording.clock.advance(10)
    (event,) = recording.api.list(EVENTS)
    assert event["count"] == 3
    assert (event["firstTimestamp"], event["lastTimestamp"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z")


async def test_a_repeat_of_an_expired_event_is_told_anew(recording: Recording) -> None:
    recording.recorder.event(POD, NORMAL, "Pulled", "image is there")
    await recording.recorder.flush()
    recording.api.remove(EVENTS, recording.api.list(EVENTS)[0]["metadata"]["name"], "default")
    recording.recorder.event(POD, NORMAL, "Pulled", "image is there")
    await recording.recorder.flush()
    assert recording.seen() == [("image is there", 2)]


async def test_many_that_differ_by_message_are_combined(recording: Recording) -> None:
    for number in range(12):
        recording.recorder.event(POD, WARNING, "Failed", f"reason {number}")
        await recording.recorder.flush()
    seen = recording.seen()
    assert len(seen) == 10
    assert seen[-1] == ("(combined from similar events): reason 11", 3)


async def test_cluster_scoped_objects_have_their_events_in_default(recording: Recording) -> None:
    recording.recorder.event({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}}, NORMAL, "Ready", "up")
    await recording.recorder.flush()
    assert recording.api.list(EVENTS)[0]["metadata"]["namespace"] == "default"


async def test_a_refused_event_is_dropped_and_the_next_one_sent(recording: Recording) -> None:
    recording.api.faults.append(Forbidden("namespace is terminating"))
    recording.recorder.event(POD, NORMAL, "A", "refused")
    recording.recorder.event(POD, NORMAL, "B", "sent")
    await recording.recorder.flush()
    assert recording.seen() == [("sent", 1)]


async def test_without_a_server_events_wait(recording: Recording) -> None:
    await recording.api.stop()
    recording.recorder.event(POD, NORMAL, "A", "patience")
    while not recording.clock.waiting:
        await recording.clock.settle()
    await recording.api.start()
    await recording.clock.advance(10)
    await recording.recorder.flush()
    assert recording.seen() == [("patience", 1)]


def test_one_source_may_not_flood() -> None:
    correlator = Correlator()

    def sent(now: float) -> bool:
        event = {
            "metadata": {"name": "x"}, "involvedObject": {"kind": "Pod", "name": "web"}, "type": "Normal",
            "reason": "R", "message": "m", "firstTimestamp": "",
        }  # fmt: skip
        return correlator.correlate(event, now) is not None

    assert [sent(0) for _ in range(30)].count(True) == 25
    assert sent(299) is False
    assert sent(301) is True
