"""The plan: one row per situation a pod can be in."""

from __future__ import annotations

from typing import Any

import pytest

from agent.pods.observation import PodObservation, ProbeResult, ProbeResults
from agent.pods.plan import KillReason, PodActions, plan
from tests.support.podstates import box, made, make_pod, ran, runs, seen, sidecar

FAILED, PASSED, UNKNOWN = ProbeResult.FAILURE, ProbeResult.SUCCESS, ProbeResult.UNKNOWN
IDLE = PodActions()
OVER = PodActions(kill_pod=True)


def start(*names: str) -> PodActions:
    return PodActions(start=names)


def start_init(*names: str) -> PodActions:
    return PodActions(start_init=names)


NEVER = {"restartPolicy": "Never"}
ON_FAILURE = {"restartPolicy": "OnFailure"}
PROBED = {"name": "app", "startupProbe": {"exec": {}}, "livenessProbe": {"exec": {}}}

CASES: list[tuple[str, dict[str, Any], PodObservation, PodActions]] = [
    ("a new pod", make_pod(), PodObservation(), PodActions(create_sandbox=True, start=("app",))),
    (
        "a new pod with init containers",
        make_pod(init=("i1", "i2")),
        PodObservation(),
        PodActions(create_sandbox=True, start_init=("i1",)),
    ),
    ("everything runs", make_pod("a", "b"), seen(runs("a"), runs("b")), IDLE),
    ("one is missing", make_pod("a", "b"), seen(runs("a")), start("b")),
    ("one was made and never started", make_pod(), seen(made("app")), start("app")),
    ("Always restarts success", make_pod(), seen(ran("app", 0)), start("app")),
    ("OnFailure restarts failure", make_pod(**ON_FAILURE), seen(ran("app", 1)), start("app")),
    ("OnFailure ends with success", make_pod(**ON_FAILURE), seen(ran("app", 0)), OVER),
    ("Never ends with failure", make_pod(**NEVER), seen(ran("app", 1)), OVER),
    ("one of two has ended for good", make_pod("a", "b", **NEVER), seen(ran("a", 1), runs("b")), IDLE),
    ("the newest attempt counts", make_pod(), seen(ran("app", 1), runs("app", attempt=1)), IDLE),
    # init containers
    ("the first init container runs", make_pod(init=("i1", "i2")), seen(runs("i1")), IDLE),
    ("the second follows the first", make_pod(init=("i1", "i2")), seen(ran("i1")), start_init("i2")),
    ("apps follow the last", make_pod(init=("i1",)), seen(ran("i1")), start("app")),
    ("a failed one is repeated", make_pod(init=("i1",)), seen(ran("i1", 1)), start_init("i1")),
    ("a failed one ends a Never pod", make_pod(init=("i1",), **NEVER), seen(ran("i1", 1)), OVER),
    ("a removed one is not repeated", make_pod(init=("i1",)), seen(runs("app")), IDLE),
    (
        "a removed one is not repeated after the app ended",
        make_pod(init=("i1",), **NEVER),
        seen(ran("app", 0)),
        OVER,
    ),
    # sidecars
    ("a sidecar lets the next one start", make_pod(init=(sidecar("s"), "i1")), seen(runs("s")), start_init("i1")),
    ("a sidecar lets the apps start", make_pod(init=(sidecar("s"),)), seen(runs("s")), start("app")),
    ("a dead sidecar comes back", make_pod(init=(sidecar("s"),)), seen(ran("s"), runs("app")), start_init("s")),
    (
        "a dead sidecar comes back during initialization",
        make_pod(init=(sidecar("s"), "i1")),
        seen(ran("s", 1), runs("i1")),
        start_init("s"),
    ),
    (
        "a sidecar does not keep a finished pod",
        make_pod(init=(sidecar("s"),), **NEVER),
        seen(runs("s"), ran("app", 0)),
        OVER,
    ),
    (
        "a dead sidecar does not keep a finished pod",
        make_pod(init=(sidecar("s"),), **NEVER),
        seen(ran("s"), ran("app", 0)),
        OVER,
    ),
    (
        "a sidecar that has not started holds back",
        make_pod(init=(sidecar("s", startupProbe={"exec": {}}), "i1")),
        seen(runs("s")),
        IDLE,
    ),
    # sandbox
    (
        "a dead sandbox is replaced and everything begins anew",
        make_pod(init=("i1",)),
        seen(box(ready=False), ran("i1"), ran("app", 137)),
        PodActions(kill_pod=True, create_sandbox=True, start_init=("i1",)),
    ),
    (
        "a dead sandbox ends a Never pod",
        make_pod(**NEVER),
        seen(box(ready=False), ran("app", 137)),
        OVER,
    ),
    (
        "a dead sandbox in which nothing was made is replaced even then",
        make_pod(**NEVER),
        seen(box(ready=False)),
        PodActions(kill_pod=True, create_sandbox=True, start=("app",)),
    ),
    (
        "only what has not succeeded comes back",
        make_pod("a", "b", **ON_FAILURE),
        seen(box(ready=False), ran("a", 0), ran("b", 137)),
        PodActions(kill_pod=True, create_sandbox=True, start=("b",)),
    ),
    (
        "in the new sandbox the init containers run again",
        make_pod(init=("i1",)),
        seen(box(1, ready=False), box(2), ran("i1"), ran("app", 137)),
        start_init("i1"),
    ),
    # ephemeral containers
    (
        "an ephemeral container starts beside the others",
        make_pod(ephemeralContainers=[{"name": "debug", "image": "x"}]),
        seen(runs("app")),
        PodActions(start_ephemeral=("debug",)),
    ),
    (
        "an ephemeral container never comes back",
        make_pod(ephemeralContainers=[{"name": "debug", "image": "x"}]),
        seen(runs("app"), ran("debug", 1)),
        IDLE,
    ),
    # container restart rules
    (
        "a rule restarts one exit code of a Never pod",
        make_pod(
            {
                "name": "app",
                "restartPolicy": "Never",
                "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
            },
            **NEVER,
        ),
        seen(ran("app", 42)),
        start("app"),
    ),
]


@pytest.mark.parametrize(("pod", "observed", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_plan(pod: dict[str, Any], observed: PodObservation, expected: PodActions) -> None:
    assert plan(pod, observed, {}) == expected


@pytest.mark.parametrize(
    ("results", "reason", "text"),
    [
        (ProbeResults(liveness=FAILED, startup=PASSED), KillReason.LIVENESS, "failed liveness probe"),
        (ProbeResults(liveness=PASSED, startup=FAILED), KillReason.STARTUP, "failed startup probe"),
    ],
)
def test_a_failed_probe_replaces_its_container(results: ProbeResults, reason: KillReason, text: str) -> None:
    actions = plan(make_pod(PROBED), seen(runs("app")), {"app-0": results})
    (kill,) = actions.kill
    assert (kill.reason, kill.message) == (reason, f"Container app {text}, will be restarted")
    assert actions.start == ("app",)


def test_a_failed_probe_ends_a_pod_that_never_restarts() -> None:
    results = {"app-0": ProbeResults(liveness=FAILED, startup=PASSED)}
    actions = plan(make_pod(PROBED, **NEVER), seen(runs("app")), results)
    assert actions.kill_pod
    assert actions.start == ()


def test_a_changed_image_replaces_the_container_whatever_the_policy() -> None:
    actions = plan(make_pod({"name": "app", "image": "new:2"}, **NEVER), seen(runs("app")), {})
    assert [kill.reason for kill in actions.kill] == [KillReason.CHANGED]
    assert actions.start == ("app",)


def test_an_unhealthy_sidecar_is_replaced_beside_the_app() -> None:
    pod = make_pod(init=(sidecar("s", livenessProbe={"exec": {}}),))
    actions = plan(pod, seen(runs("s"), runs("app")), {"s-0": ProbeResults(liveness=FAILED)})
    assert [kill.message for kill in actions.kill] == ["Init container s failed liveness probe"]
    assert actions.start_init == ("s",)
    assert not actions.kill_pod


def test_nothing_is_restarted_while_the_pod_is_being_deleted() -> None:
    pod = make_pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert plan(pod, seen(ran("app", 1)), {}).start == ()
