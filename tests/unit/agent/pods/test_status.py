"""Phases, container statuses, conditions and patches, from what the runtime shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent.pods.container_status import StartFailure, StatusInput
from agent.pods.observation import PodObservation, ProbeResult, ProbeResults
from agent.pods.resize import ResizeFacts
from agent.pods.status import Outcome, StatusFacts, generate_status, status_patch
from tests.support.podstates import START, box, make_pod, ran, runs, seen, sidecar

NOTHING = PodObservation()
NOW = START + timedelta(seconds=60)


def status_of(
    pod: dict[str, Any],
    observed: PodObservation = NOTHING,
    *,
    probes: dict[str, ProbeResults] | None = None,
    failures: dict[str, StartFailure] | None = None,
    previous: dict[str, Any] | None = None,
    resize: ResizeFacts | None = None,
    **facts: Any,
) -> dict[str, Any]:
    given = StatusInput(pod, previous or {}, observed, probes or {}, failures or {}, resize or ResizeFacts())
    return generate_status(given, StatusFacts(NOW, ("192.168.230.11",), **{"pod_ips": ("10.0.0.2",), **facts}))


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in status["conditions"]}


NEVER = {"restartPolicy": "Never"}
BACKOFF = {"app": StartFailure("CrashLoopBackOff", "wait")}
PULL = {"app": StartFailure("ErrImagePull", "no such image")}

PHASES: list[tuple[str, dict[str, Any], PodObservation, dict[str, Any], str]] = [
    ("nothing there yet", make_pod(), PodObservation(), {}, "Pending"),
    ("the image is missing", make_pod(), seen(), {"failures": PULL}, "Pending"),
    ("runs", make_pod(), seen(runs("app")), {}, "Running"),
    ("one of two runs, the other waits", make_pod("a", "b"), seen(runs("a")), {}, "Pending"),
    ("one of two runs, the other ended", make_pod("a", "b"), seen(runs("a"), ran("b", 1)), {}, "Running"),
    ("waits to come back", make_pod(), seen(ran("app", 1)), {"failures": BACKOFF}, "Running"),
    ("all succeeded", make_pod("a", "b", **NEVER), seen(ran("a"), ran("b")), {}, "Succeeded"),
    ("one failed", make_pod("a", "b", **NEVER), seen(ran("a"), ran("b", 2)), {}, "Failed"),
    ("OnFailure comes back", make_pod(restartPolicy="OnFailure"), seen(ran("app", 1)), {}, "Running"),
    ("deleted while running, ended well", make_pod(), seen(ran("app")), {"terminal": True}, "Succeeded"),
    ("deleted while running, killed", make_pod(), seen(ran("app", 137)), {"terminal": True}, "Failed"),
    ("deleted before it ever ran", make_pod(), PodObservation(), {"terminal": True}, "Failed"),
    ("initializing", make_pod(init=("i",)), seen(runs("i")), {}, "Pending"),
    ("initialization failed for good", make_pod(init=("i",), **NEVER), seen(ran("i", 1)), {}, "Failed"),
    ("initialization is tried again", make_pod(init=("i",)), seen(ran("i", 1)), {}, "Pending"),
    ("a sidecar and the app run", make_pod(init=(sidecar("s"),)), seen(runs("s"), runs("app")), {}, "Running"),
    ("a sidecar runs, the app does not yet", make_pod(init=(sidecar("s"),)), seen(runs("s")), {}, "Pending"),
    (
        "the app is done, its sidecar not yet",
        make_pod(init=(sidecar("s"),), **NEVER),
        seen(runs("s"), ran("app")),
        {},
        "Running",
    ),
    (
        "the app is done and its sidecar was killed",
        make_pod(init=(sidecar("s"),), **NEVER),
        seen(ran("s", 143), ran("app")),
        {},
        "Succeeded",
    ),
    (
        "a sidecar restarts under a running app",
        make_pod(init=(sidecar("s"),)),
        seen(ran("s", 1), runs("app")),
        {},
        "Running",
    ),
]


@pytest.mark.parametrize(
    ("pod", "observed", "more", "phase"), [case[1:] for case in PHASES], ids=[case[0] for case in PHASES]
)
def test_phase(pod: dict[str, Any], observed: PodObservation, more: dict[str, Any], phase: str) -> None:
    assert status_of(pod, observed, **more)["phase"] == phase


def test_a_pod_never_leaves_a_terminal_phase() -> None:
    ended = {"phase": "Failed", "reason": "Evicted", "message": "why"}
    status = status_of(make_pod(), seen(runs("app")), previous=ended)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "why")


def test_an_outcome_decides_the_phase() -> None:
    outcome = Outcome("Failed", "DeadlineExceeded", "too long")
    status = status_of(make_pod(), seen(runs("app")), outcome=outcome)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert conditions(status)["Ready"] == "False"


def test_the_state_is_the_newest_attempt_and_the_last_state_the_one_before() -> None:
    observed = seen(ran("app", 3, message="bye"), runs("app", attempt=1))
    (entry,) = status_of(make_pod(), observed)["containerStatuses"]
    assert entry["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert entry["lastState"]["terminated"]["exitCode"] == 3
    assert entry["lastState"]["terminated"]["message"] == "bye"
    assert entry["lastState"]["terminated"]["reason"] == "Error"
    assert (entry["restartCount"], entry["containerID"]) == (1, "minik://app-1")


def test_a_container_that_waits_shows_why_and_what_was() -> None:
    (entry,) = status_of(make_pod(), seen(ran("app", 1)), failures=BACKOFF)["containerStatuses"]
    assert entry["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "wait"}}
    assert entry["lastState"]["terminated"]["exitCode"] == 1
    assert entry["ready"] is False


def test_a_container_that_vanished_is_told_as_lost() -> None:
    previous = {"containerStatuses": [{"name": "app", "state": {"running": {}}, "restartCount": 2}]}
    (entry,) = status_of(make_pod(), seen(box()), previous=previous)["containerStatuses"]
    assert entry["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert entry["restartCount"] == 3


def test_a_container_that_vanished_is_counted_whatever_it_had_been_through() -> None:
    ended = {"terminated": {"reason": "Error", "exitCode": 1}}
    lost = {"name": "app", "state": {"running": {}}, "restartCount": 2, "lastState": ended}
    (entry,) = status_of(make_pod(), seen(box()), previous={"containerStatuses": [lost]})["containerStatuses"]
    assert (entry["lastState"], entry["restartCount"]) == (ended, 3)
    (again,) = status_of(make_pod(), seen(box()), previous={"containerStatuses": [entry]})["containerStatuses"]
    assert again["restartCount"] == 3


def test_containers_wait_with_the_word_for_their_pod() -> None:
    plain = status_of(make_pod())["containerStatuses"][0]["state"]["waiting"]["reason"]
    initializing = status_of(make_pod(init=("i",)))["containerStatuses"][0]["state"]["waiting"]["reason"]
    assert (plain, initializing) == ("ContainerCreating", "PodInitializing")


@pytest.mark.parametrize(
    ("results", "started", "ready"),
    [
        (ProbeResults(), True, True),
        (ProbeResults(readiness=ProbeResult.FAILURE), True, False),
        (ProbeResults(readiness=ProbeResult.SUCCESS), True, True),
        (ProbeResults(startup=ProbeResult.UNKNOWN, readiness=ProbeResult.SUCCESS), False, False),
        (ProbeResults(startup=ProbeResult.SUCCESS, readiness=ProbeResult.SUCCESS), True, True),
    ],
)
def test_started_and_ready_follow_the_probes(results: ProbeResults, started: bool, ready: bool) -> None:
    status = status_of(make_pod(), seen(runs("app")), probes={"app-0": results})
    (entry,) = status["containerStatuses"]
    assert (entry["started"], entry["ready"]) == (started, ready)
    assert conditions(status)["Ready"] == ("True" if ready else "False")


def test_readiness_gates_hold_the_pod_back_until_their_condition_is_true() -> None:
    pod = make_pod(readinessGates=[{"conditionType": "example.org/gate"}])
    status = status_of(pod, seen(runs("app")))
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert ready["message"] == 'corresponding condition of pod readiness gate "example.org/gate" does not exist.'
    pod["status"] = {"conditions": [{"type": "example.org/gate", "status": "True"}]}
    assert conditions(status_of(pod, seen(runs("app"))))["Ready"] == "True"


def test_unready_containers_are_named_as_go_prints_lists() -> None:
    status = status_of(make_pod("a", "b"), seen(runs("a")))
    ready = next(one for one in status["conditions"] if one["type"] == "ContainersReady")
    assert (ready["reason"], ready["message"]) == ("ContainersNotReady", "containers with unready status: [b]")


def test_a_transition_time_changes_only_with_its_status() -> None:
    first = status_of(make_pod(), seen(runs("app")))
    for condition in first["conditions"]:
        condition["lastTransitionTime"] = "2025-01-01T00:00:00Z"
    results = {"app-0": ProbeResults(readiness=ProbeResult.FAILURE)}
    second = status_of(make_pod(), seen(runs("app")), previous=first, probes=results)
    times = {one["type"]: one["lastTransitionTime"] for one in second["conditions"]}
    assert times["Initialized"] == "2025-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T00:01:00Z"


def test_conditions_of_others_are_kept_and_never_written_back() -> None:
    theirs = {"type": "example.org/gate", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    pod = make_pod(status={"conditions": [theirs]})
    pod["status"] = {"conditions": [theirs]}
    status = status_of(pod, seen(runs("app")))
    assert theirs in status["conditions"]
    patch = status_patch("u1", pod["status"], status)
    assert patch is not None
    assert theirs not in patch["status"]["conditions"]


def test_the_patch_has_only_what_differs_and_the_uid() -> None:
    old = status_of(make_pod())
    new = status_of(make_pod(), seen(runs("app")), previous=old)
    patch = status_patch("u1", old, new)
    assert patch is not None
    assert patch["metadata"] == {"uid": "u1"}
    assert set(patch["status"]) == {"phase", "containerStatuses", "conditions"}
    assert status_patch("u1", new, new) is None


def test_a_new_address_replaces_the_old_one() -> None:
    old = status_of(make_pod(), seen(runs("app")), pod_ips=("10.0.0.2",))
    new = status_of(make_pod(), seen(runs("app")), pod_ips=("10.0.0.3",), previous=old)
    patch = status_patch("u1", old, new)
    assert patch is not None
    assert patch["status"]["podIPs"] == [{"$patch": "replace"}, {"ip": "10.0.0.3"}]


def test_host_network_pods_have_the_nodes_addresses() -> None:
    status = status_of(make_pod(hostNetwork=True), seen(runs("app")), pod_ips=())
    assert status["podIP"] == status["hostIP"] == "192.168.230.11"
