"""What is remembered of pods that were found sound, and what never is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from apiserver.registry.core.pod import soundness
from apiserver.registry.core.pod.defaults import default_pod
from apiserver.registry.core.pod.soundness import PodChecks
from minikube_py.api.fields import FieldError


def pod(name: str = "a", **spec: Any) -> dict[str, Any]:
    made = {
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }
    default_pod(made)
    made["spec"]["containers"][0].setdefault("terminationMessagePolicy", "File")
    return made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = soundness.validate_pod

    def counting(obj: dict[str, Any], errors: list[FieldError]) -> None:
        seen.append(obj["metadata"]["name"])
        real(obj, errors)

    monkeypatch.setattr(soundness, "validate_pod", counting)
    return seen


def faults(checks: PodChecks, obj: dict[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    checks.validate(obj, errors)
    return errors


def test_replicas_are_checked_once(counted: list[str]) -> None:
    checks = PodChecks()
    assert faults(checks, pod("a")) == faults(checks, pod("b")) == []
    assert counted == ["a"]


@pytest.mark.parametrize("change", ["spec", "annotations"])
def test_another_spec_or_annotation_is_checked(counted: list[str], change: str) -> None:
    checks, other = PodChecks(), pod("b")
    faults(checks, pod("a"))
    if change == "spec":
        other["spec"]["restartPolicy"] = "Sometimes"
    else:
        other["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": "much"}
    assert len(faults(checks, other)) == 1
    assert counted == ["a", "b"]


def test_a_faulty_spec_is_told_its_faults_every_time() -> None:
    checks, bad = PodChecks(), pod(restartPolicy="Sometimes")
    first = faults(checks, bad)
    assert first and faults(checks, deepcopy(bad)) == first


def test_a_pod_with_claims_of_its_own_is_always_checked(counted: list[str]) -> None:
    checks = PodChecks()
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
    faults(checks, pod("a", volumes=volumes))
    faults(checks, pod("b", volumes=volumes))
    assert counted == ["a", "b"]


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch, counted: list[str]) -> None:
    monkeypatch.setattr(soundness, "_MOST", 2)
    checks = PodChecks()
    for hostname in ("x", "y", "z", "x"):
        faults(checks, pod(hostname, hostname=hostname))
    assert counted == ["x", "y", "z", "x"]


def test_warnings_are_given_every_time_and_only_to_new_pods() -> None:
    checks, odd = PodChecks(), pod(nodeSelector={"beta.kubernetes.io/os": "linux"})
    assert checks.warn(odd, None) == checks.warn(odd, None) != []
    assert checks.warn(pod("a"), None) == checks.warn(pod("b"), None) == []
    assert "a DNS label is recommended" in checks.warn(pod("a.b"), None)[0]
    assert checks.warn(odd, odd) == []
