"""Resizes: what is agreed to, what is in force, what has to be done, and how the status tells it."""

from __future__ import annotations

from typing import Any

import pytest

from agent.pods.admission import resize_refusal
from agent.pods.model import app_containers, init_containers
from agent.pods.plan import KillReason, plan
from agent.pods.qos import oom_score_adj
from agent.pods.resize import (
    ResizeFacts,
    adopted_actual,
    adopted_allocation,
    allocation_of,
    is_allocated,
    resize_conditions,
    resizes,
    summary,
    with_allocation,
)
from agent.pods.specs import pod_resources
from tests.support.podstates import make_pod, runs, seen
from tests.unit.agent.pods.test_status import status_of

RESTART = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]


def limits(memory: str, cpu: str = "1") -> dict[str, Any]:
    return {"limits": {"memory": memory, "cpu": cpu}, "requests": {"memory": memory, "cpu": cpu}}


def pod(memory: str, cpu: str = "1", **more: Any) -> dict[str, Any]:
    return make_pod({"name": "app", "resources": limits(memory, cpu), **more})


def node(**allocatable: str) -> dict[str, Any]:
    return {"status": {"allocatable": {"pods": "110", **allocatable}}}


def test_nothing_happens_before_the_node_agrees() -> None:
    wanted = pod("128Mi")
    agreed = with_allocation(wanted, allocation_of(pod("64Mi")))
    facts = ResizeFacts({("app", 0): limits("64Mi")}, deferred="Node didn't have enough resource: memory")
    assert resizes(agreed, seen(runs("app")), facts.actual) == []
    (told,) = resize_conditions(agreed, seen(runs("app")), facts)
    assert (told["type"], told["reason"]) == ("PodResizePending", "Deferred")
    status = status_of(agreed, seen(runs("app")), resize=facts)["containerStatuses"][0]
    assert status["resources"] == limits("64Mi")
    assert status["allocatedResources"] == limits("64Mi")["requests"]


def test_a_resize_is_in_progress_until_it_is_in_force() -> None:
    wanted, held = pod("128Mi"), {("app", 0): limits("64Mi")}
    (due,) = resizes(wanted, seen(runs("app")), held)
    assert (due.restart, due.lowers_memory_to, due.wanted) == (False, None, limits("128Mi"))
    status = status_of(wanted, seen(runs("app")), resize=ResizeFacts(held))
    entry = status["containerStatuses"][0]
    assert entry["resources"] == limits("64Mi")
    assert entry["allocatedResources"] == limits("128Mi")["requests"]
    assert [one["type"] for one in resize_conditions(wanted, seen(runs("app")), ResizeFacts(held))] == [
        "PodResizeInProgress"
    ]
    done = ResizeFacts({("app", 0): limits("128Mi")})
    assert resize_conditions(wanted, seen(runs("app")), done) == []
    assert status_of(wanted, seen(runs("app")), resize=done)["containerStatuses"][0]["resources"] == limits("128Mi")


def test_a_failure_is_told() -> None:
    facts = ResizeFacts({("app", 0): limits("64Mi")}, error="cannot decrease memory limits")
    (told,) = resize_conditions(pod("32Mi"), seen(runs("app")), facts)
    assert (told["reason"], told["message"]) == ("Error", "cannot decrease memory limits")


def test_a_container_that_is_to_restart_is_replaced() -> None:
    wanted = pod("128Mi", resizePolicy=RESTART)
    (due,) = resizes(wanted, seen(runs("app")), {("app", 0): limits("64Mi")})
    assert due.restart
    (kill,) = plan(wanted, seen(runs("app")), {}, frozenset({"app"})).kill
    assert (kill.reason, kill.message) == (
        KillReason.CHANGED,
        "Container app resize requires restart, will be restarted",
    )
    (in_place,) = resizes(pod("64Mi", cpu="2", resizePolicy=RESTART), seen(runs("app")), {("app", 0): limits("64Mi")})
    assert not in_place.restart


def test_what_is_given_back_comes_first() -> None:
    wanted = make_pod({"name": "a", "resources": limits("64Mi")}, {"name": "b", "resources": limits("32Mi")})
    held = {("a", 0): limits("32Mi"), ("b", 0): limits("64Mi")}
    due = resizes(wanted, seen(runs("a"), runs("b")), held)
    assert [(one.container.name, one.lowers_memory_to) for one in due] == [("b", 32 << 20), ("a", None)]


def test_the_same_amount_in_other_words_is_no_resize() -> None:
    assert is_allocated(pod("1024Mi"), allocation_of(pod("1Gi")))
    assert resizes(pod("1024Mi"), seen(runs("app")), {("app", 0): limits("1Gi")}) == []


def test_an_agent_that_comes_back_knows_what_was_agreed_to() -> None:
    published = {
        "conditions": [{"type": "PodResizePending", "status": "True"}],
        "containerStatuses": [{"name": "app", "containerID": "minik://app-0", "resources": limits("64Mi")}],
    }
    shown = seen(runs("app"))
    published["containerStatuses"][0]["containerID"] = f"minik://{shown.latest('app').id}"  # type: ignore[index, union-attr]
    assert adopted_allocation(pod("128Mi"), published) == {"app": limits("64Mi")}
    assert adopted_allocation(pod("128Mi"), {}) == {"app": limits("128Mi")}
    assert adopted_actual(published, shown) == {("app", 0): limits("64Mi")}


def test_room_on_the_node() -> None:
    other = {**pod("64Mi", cpu="1"), "metadata": {"uid": "other"}}
    assert resize_refusal(pod("64Mi", cpu="1"), [other], node(cpu="2", memory="1Gi")) is None
    refusal = resize_refusal(pod("64Mi", cpu="1500m"), [other], node(cpu="2", memory="1Gi"))
    assert refusal == "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000"


def test_the_events_tell_what_was_asked_for() -> None:
    text = summary(make_pod({"name": "app", "resources": {"limits": {"cpu": "1"}}}), 3, "no")
    assert text == '{"containers":[{"name":"app","resources":{"limits":{"cpu":"1"}}}],"generation":3,"error":"no"}'


def test_a_pods_group_is_limited_where_all_its_containers_are() -> None:
    both = make_pod({"name": "a", "resources": limits("64Mi")}, {"name": "b", "resources": limits("32Mi")})
    assert pod_resources(both).memory_limit_bytes == 96 << 20
    one = make_pod({"name": "a", "resources": limits("64Mi")}, {"name": "b"})
    assert (pod_resources(one).memory_limit_bytes, pod_resources(one).cpu_request_millis) == (None, 1000)
    one["spec"]["resources"] = {"limits": {"memory": "1Gi"}}
    assert pod_resources(one).memory_limit_bytes == 1 << 30


@pytest.mark.parametrize(
    ("resources", "score"),
    [
        ({}, 1000),
        (limits("64Mi"), -997),
        ({"requests": {"memory": "512Mi"}}, 500),
        ({"requests": {"memory": "1Ki"}}, 999),
        ({"requests": {"memory": "2Gi"}}, 3),
    ],
)
def test_who_is_killed_first(resources: dict[str, Any], score: int) -> None:
    asked = make_pod({"name": "app", "resources": resources})
    assert oom_score_adj(asked, app_containers(asked)[0], 1 << 30) == score


def test_a_sidecar_outlives_what_it_serves() -> None:
    asked = make_pod({"name": "app", "resources": {"requests": {"memory": "512Mi"}}})
    asked["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}]
    assert oom_score_adj(asked, init_containers(asked)[0], 1 << 30) == 500
