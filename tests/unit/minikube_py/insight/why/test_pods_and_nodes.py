"""Planted faults of pods and of nodes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minikube_py.insight.why.nodes import why_node
from minikube_py.insight.why.pods import why_pod
from minikube_py.insight.why.services import why_service
from tests.support.planted import Planted, condition

Plant = Callable[[Planted], object]
WAITING = "waiting"


def _mount(fault: Planted) -> None:
    fault.unready(state={WAITING: {"reason": "ContainerCreating"}})
    fault.event("Pod", "web-0", "FailedMount", 'configmap "settings" not found')


def _gate(fault: Planted) -> None:
    fault.unready()
    fault.pods[0]["spec"]["readinessGates"] = [{"conditionType": "example.com/open"}]


def _held(fault: Planted) -> None:
    fault.unscheduled("")
    fault.pods[0]["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]


def _quota(fault: Planted) -> None:
    fault.pods.clear()
    fault.deployment["status"] = {}
    fault.event("Deployment", "web", "FailedCreate", "exceeded quota: tight")


def _config(fault: Planted) -> None:
    fault.unready(state={WAITING: {"reason": "CreateContainerConfigError", "message": 'secret "key" not found'}})


def _liveness(fault: Planted) -> None:
    fault.unready(state={WAITING: {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 0}})
    fault.event("Pod", "web-0", "Unhealthy", "Liveness probe failed: connection refused")
    fault.event("Pod", "web-0", "Killing", "Container c failed liveness probe, will be restarted")
    fault.event("Pod", "web-0", "Unhealthy", "Readiness probe failed: not yet")


def _init(fault: Planted) -> None:
    fault.unready(state={WAITING: {"reason": "PodInitializing"}})
    fault.pods[0]["spec"]["initContainers"] = [{"name": "side", "restartPolicy": "Always"}, {"name": "wait"}]
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    statuses = [{"name": name, "state": running} for name in ("side", "wait")]
    fault.pods[0]["status"]["initContainerStatuses"] = statuses


def _held_by_finalizer(fault: Planted) -> None:
    fault.pods[0]["metadata"].update(deletionTimestamp="x", finalizers=["example.com/hold"])


@pytest.mark.parametrize(
    ("code", "plant", "words"),
    [
        ("ProbeRestarts", _liveness, "Liveness probe failed: connection refused"),
        ("InitRunning", _init, "init container wait"),
        ("PodTerminating", _held_by_finalizer, '"finalizers":null'),
        ("PodMissing", lambda fault: fault.pods[0]["metadata"].update(name="web-00"), "did you mean web-00"),
        ("OtherNamespace", lambda fault: fault.move_pods("shop"), "-n shop"),
        ("QuotaExceeded", _quota, "tight"),
        ("PodTerminating", lambda fault: fault.pods[0]["metadata"].update(deletionTimestamp="x"), "deleted"),
        ("PodFailed", lambda fault: fault.pods[0]["status"].update(phase="Failed", reason="Evicted"), "Evicted"),
        ("Unschedulable", lambda fault: fault.unscheduled("0/2 nodes are available"), "0/2"),
        ("NotScheduled", lambda fault: fault.unscheduled(""), "default-scheduler"),
        ("SchedulingGated", _held, "example.com/wait"),
        ("NodeMissing", lambda fault: fault.nodes.clear(), "n1"),
        ("CreateContainerConfigError", _config, 'secret "key"'),
        ("SetUpFailed", _mount, "settings"),
        ("ReadinessGate", _gate, "example.com/open"),
    ],
)
def test_a_pods_fault_is_named(code: str, plant: Plant, words: str) -> None:
    fault = Planted()
    plant(fault)
    diagnosis = why_pod(fault.picture(), "default", "web-0")
    assert [each.code for each in diagnosis.causes[:1]] == [code]
    assert words in f"{diagnosis.causes[0].cause} {diagnosis.causes[0].fix}"


def test_a_healthy_pod_and_a_finished_one_are_told_nothing() -> None:
    fault = Planted()
    assert why_pod(fault.picture(), "default", "web-0").findings == ()
    fault.pods[0]["status"] = {"phase": "Succeeded", "conditions": [condition("Ready", "False")]}
    assert why_pod(fault.picture(), "default", "web-0").findings == ()


def test_a_pod_with_the_nodes_resolver_is_warned() -> None:
    fault = Planted()
    fault.pods[0]["spec"]["dnsPolicy"] = "Default"
    diagnosis = why_pod(fault.picture(), "default", "web-0")
    assert diagnosis.healthy
    assert diagnosis.as_json()["notes"][0]["code"] == "NodeResolver"


def test_a_policy_that_nobody_enforces_is_noted() -> None:
    fault = Planted()
    for name, labels in (("all", {}), ("other", {"app": "db"})):
        spec = {"podSelector": {"matchLabels": labels}}
        fault.policies.append({"metadata": {"namespace": "default", "name": name}, "spec": spec})
    for diagnosis in (why_pod(fault.picture(), "default", "web-0"), why_service(fault.picture(), "default", "web")):
        assert diagnosis.healthy
        assert [each.code for each in diagnosis.notes] == ["PolicyNotEnforced"]
        assert "NetworkPolicy all selects" in diagnosis.notes[0].cause


def _condition(kind: str, status: str) -> Plant:
    return lambda fault: fault.nodes[0]["status"].update(conditions=[condition(kind, status, message="said so")])


def _pressure(fault: Planted) -> None:
    fault.nodes[0]["status"]["conditions"] = [condition("Ready"), condition("DiskPressure", message="95% full")]


@pytest.mark.parametrize(
    ("code", "plant"),
    [
        ("NodeMissing", lambda fault: fault.nodes.pop(0)),
        ("NodeSilent", _condition("Ready", "Unknown")),
        ("NodeNotReady", _condition("Ready", "False")),
        ("DiskPressure", _pressure),
        ("NodeCordoned", lambda fault: fault.nodes[0]["spec"].update(unschedulable=True)),
        ("ProxyUnreachable", lambda fault: fault.silent.update(n1="refused")),
        ("ProxyNotSynced", lambda fault: fault.tables["n1"].update(synced=False)),
    ],
)
def test_a_nodes_fault_is_named(code: str, plant: Plant) -> None:
    fault = Planted()
    plant(fault)
    diagnosis = why_node(fault.picture(), "n1")
    assert [each.code for each in diagnosis.causes] == [code]


def test_a_healthy_node_is_told_nothing() -> None:
    assert why_node(Planted().picture(), "n1").findings == ()
