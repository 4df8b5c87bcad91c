"""Resizes: by a restart where the policy allows it, refused in words where it does not."""

from __future__ import annotations

from typing import Any

from agent.pods.plan import KillReason, plan
from agent.pods.resize import resize_condition, restarts_for_resize
from tests.support.podstates import make_pod, runs, seen
from tests.unit.agent.pods.test_status import conditions, status_of

RESTART = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]


def pod(memory: str, **more: Any) -> dict[str, Any]:
    return make_pod({"name": "app", "resources": {"limits": {"memory": memory, "cpu": "1"}}, **more})


def test_the_status_tells_the_resources_in_force_until_the_container_is_replaced() -> None:
    before = status_of(pod("64Mi"), seen(runs("app")))
    after = status_of(pod("128Mi"), seen(runs("app")), previous=before)
    assert after["containerStatuses"][0]["resources"]["limits"]["memory"] == "64Mi"
    assert conditions(after)["PodResizePending"] == "True"
    replaced = status_of(pod("128Mi"), seen(runs("app", attempt=1)), previous=after)
    assert replaced["containerStatuses"][0]["resources"]["limits"]["memory"] == "128Mi"
    assert "PodResizePending" not in conditions(replaced)


def test_a_container_that_may_restart_is_replaced() -> None:
    before = status_of(pod("64Mi", resizePolicy=RESTART), seen(runs("app")))
    wanted = pod("128Mi", resizePolicy=RESTART)
    resized = restarts_for_resize(wanted, before)
    assert resized == {"app"}
    assert resize_condition(wanted, before) is None
    (kill,) = plan(wanted, seen(runs("app")), {}, resized).kill
    assert (kill.reason, kill.message) == (
        KillReason.CHANGED,
        "Container app resize requires restart, will be restarted",
    )


def test_the_same_amount_in_other_words_is_no_resize() -> None:
    before = status_of(pod("1Gi"), seen(runs("app")))
    assert restarts_for_resize(pod("1024Mi", resizePolicy=RESTART), before) == frozenset()
    assert resize_condition(pod("1024Mi"), before) is None
