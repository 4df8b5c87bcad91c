"""Planted faults of PersistentVolumeClaims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minikube_py.insight.why.claims import why_claim
from minikube_py.insight.why.pods import why_pod
from tests.support.planted import Planted

Plant = Callable[[Planted], object]


def _volume(**spec: Any) -> Plant:
    def plant(fault: Planted) -> None:
        fault.unbound()
        fault.volumes[0]["spec"] |= spec

    return plant


def _taken(fault: Planted) -> None:
    fault.unbound()
    fault.volumes[0]["spec"]["claimRef"] = {"namespace": "shop", "name": "data"}


def _released(fault: Planted) -> None:
    fault.unbound()
    fault.volumes[0]["status"]["phase"] = "Released"


def _provisioned(fault: Planted) -> None:
    fault.unbound(storageClassName="fast")
    fault.classes.append({"metadata": {"name": "fast"}, "provisioner": "example.com/disk"})
    fault.event("PersistentVolumeClaim", "data", "ProvisioningFailed", "out of quota")


def _typo(fault: Planted) -> None:
    fault.unbound(storageClassName="fsat")
    fault.classes.append({"metadata": {"name": "fast"}, "provisioner": "example.com/disk"})


def _deleting(fault: Planted) -> None:
    fault.claims[0]["metadata"]["deletionTimestamp"] = "x"
    fault.pods[0]["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


def _named(fault: Planted) -> None:
    fault.unbound(volumeName="pv-1", accessModes=["ReadWriteMany"])


@pytest.mark.parametrize(
    ("code", "plant", "words"),
    [
        ("ClaimMissing", lambda fault: fault.claims[0]["metadata"].update(name="daat"), "did you mean daat"),
        ("OtherNamespace", lambda fault: fault.claims[0]["metadata"].update(namespace="shop"), "shop"),
        ("ClaimTerminating", _deleting, "web-0"),
        ("VolumeLost", lambda fault: fault.volumes.clear(), "pv-1"),
        ("VolumeMissing", lambda fault: fault.unbound(volumeName="pv-2"), "pv-2"),
        ("VolumeUnfit", _named, "ReadWriteMany"),
        ("NoSuchClass", _typo, "did you mean fast"),
        ("NotProvisioned", _provisioned, "out of quota"),
        ("NoVolumeFits", lambda fault: (fault.unbound(storageClassName=""), fault.volumes.clear()), "no volumes"),
        ("NoVolumeFits", lambda fault: fault.unbound(storageClassName=""), "its class is disk"),
        ("NoVolumeFits", _taken, "shop/data"),
        ("NoVolumeFits", _released, "released"),
        ("NoVolumeFits", _volume(capacity={"storage": "500Mi"}), "500Mi"),
        ("NoVolumeFits", _volume(volumeMode="Block"), "Block"),
        ("NoVolumeFits", lambda fault: fault.unbound(selector={"matchLabels": {"tier": "db"}}), "tier=db"),
    ],
)
def test_a_claims_fault_is_named(code: str, plant: Plant, words: str) -> None:
    fault = Planted()
    plant(fault)
    first = why_claim(fault.picture(), "default", "data").causes[0]
    assert first.code == code
    assert words in f"{first.cause} {first.fix}"


def test_a_bound_claim_is_healthy() -> None:
    diagnosis = why_claim(Planted().picture(), "default", "data")
    assert diagnosis.healthy and not diagnosis.notes


def test_waiting_for_the_first_pod_is_no_fault() -> None:
    fault = Planted()
    fault.unbound(storageClassName="late")
    mode = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    fault.classes.append({"metadata": {"name": "late"}, **mode})
    diagnosis = why_claim(fault.picture(), "default", "data")
    assert diagnosis.healthy and [each.code for each in diagnosis.notes] == ["WaitsForPod"]


def test_a_claim_without_a_class_takes_the_default() -> None:
    fault = Planted()
    fault.unbound()
    del fault.claims[0]["spec"]["storageClassName"]
    assert "none is the default" in why_claim(fault.picture(), "default", "data").causes[0].cause
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    fault.classes.append({"metadata": {"name": "std", "annotations": default}, "provisioner": "example.com/disk"})
    assert why_claim(fault.picture(), "default", "data").causes[0].code == "NotProvisioned"


def test_a_pod_is_told_of_its_claim() -> None:
    fault = Planted()
    fault.unbound(storageClassName="")
    fault.unscheduled("0/2 nodes are available")
    fault.pods[0]["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    assert why_pod(fault.picture(), "default", "web-0").causes[0].code == "NoVolumeFits"
