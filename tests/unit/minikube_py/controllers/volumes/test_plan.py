"""What becomes of claims and volumes: a row per situation, as upstream's controller tells them apart."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.meta import name_of
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import BIND_COMPLETED, BOUND_BY_CONTROLLER, held_volume
from minikube_py.controllers.volumes.plan import (
    Choice,
    ClaimPlan,
    bound_claim,
    claim_status,
    freed_volume,
    plan_claim,
    plan_volume,
)


def claim(name: str = "data", *, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    meta = {"namespace": "ns", "name": name, "uid": f"uid-{name}", "annotations": annotations or {}}
    return {"metadata": meta, "spec": base | spec, "status": {"phase": "Pending"}}


def volume(name: str = "pv", *, phase: str = "Available", size: str = "10Gi", **spec: Any) -> Object:
    base = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, "hostPath": {"path": "/data"}}
    meta = {"name": name, "uid": f"uid-{name}", "annotations": spec.pop("annotations", {})}
    return {"metadata": meta, "spec": base | spec, "status": {"phase": phase}}


def reference(name: str = "data", uid: str = "uid-data") -> Object:
    return {"namespace": "ns", "name": name} | ({"uid": uid} if uid else {})


def kind(name: str, provisioner: str = "example.com/disks", *, default: bool = False, waits: bool = False) -> Object:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    mode = "WaitForFirstConsumer" if waits else "Immediate"
    return {
        "metadata": {"name": name, "annotations": marks},
        "provisioner": provisioner,
        "volumeBindingMode": mode,
    }


def choose(wanted: Object, *volumes: Object, classes: tuple[Object, ...] = (), pods: tuple[str, ...] = ()) -> ClaimPlan:
    known = {name_of(each): each for each in volumes}
    return plan_claim(wanted, Choice(volume=known.get, volumes=volumes, classes=classes, waiting_pods=pods))


def bound_to(plan: ClaimPlan) -> str:
    return name_of(plan.volume) if plan.volume is not None else ""


def reason(plan: ClaimPlan) -> str:
    return plan.told.reason if plan.told else ""


FITS = [
    ("the smallest that is big enough", [volume("big", size="20Gi"), volume("small", size="6Gi")], "small"),
    ("too small", [volume(size="1Gi")], ""),
    ("another class", [volume(storageClassName="fast")], ""),
    ("another mode of access", [volume(accessModes=["ReadOnlyMany"])], ""),
    ("fewest modes to spare", [volume("a", accessModes=["ReadWriteMany", "ReadWriteOnce"]), volume("b")], "b"),
    ("a block device", [volume(volumeMode="Block")], ""),
    ("not available yet", [volume(phase="Pending")], ""),
    ("released by another", [volume(phase="Released", claimRef=reference("old", "uid-old"))], ""),
    ("reserved for it by name", [volume("a", size="5Gi"), volume("b", claimRef=reference(uid=""))], "b"),
    ("reserved for a namesake that is gone", [volume(claimRef=reference(uid="uid-before"))], ""),
    ("being deleted", [volume() | {"metadata": {"name": "pv", "deletionTimestamp": "2026-01-01T00:00:00Z"}}], ""),
]


@pytest.mark.parametrize(("volumes", "found"), [row[1:] for row in FITS], ids=[row[0] for row in FITS])
def test_which_volume_a_claim_gets(volumes: list[Object], found: str) -> None:
    assert bound_to(choose(claim(storageClassName=""), *volumes)) == found


def test_a_selector_chooses_among_those_that_fit() -> None:
    labelled = volume("b")
    labelled["metadata"]["labels"] = {"disk": "ssd"}
    wanted = claim(storageClassName="", selector={"matchLabels": {"disk": "ssd"}})
    assert bound_to(choose(wanted, volume("a"), labelled)) == "b"


def test_a_claim_that_names_its_volume() -> None:
    wanted = claim(volumeName="pv")
    assert choose(wanted) == ClaimPlan()
    assert bound_to(choose(wanted, volume())) == "pv"
    assert bound_to(choose(wanted, volume(claimRef=reference(uid="")))) == "pv"
    assert reason(choose(wanted, volume(claimRef=reference("other", "u")))) == "FailedBinding"
    small = choose(wanted, volume(size="1Gi"))
    assert small.told is not None
    assert small.told.message == 'Cannot bind to requested volume "pv": requested PV is too small'


def test_a_claim_that_was_bound() -> None:
    done = {BIND_COMPLETED: "yes"}
    bound = claim(annotations=done, volumeName="pv")
    assert choose(claim(annotations=done)).phase == "Lost"
    assert (choose(bound).phase, reason(choose(bound))) == ("Lost", "ClaimLost")
    assert choose(bound, volume(claimRef=reference())).phase == "Bound"
    assert bound_to(choose(bound, volume())) == "pv", "half a binding is completed"
    assert reason(choose(bound, volume(claimRef=reference("other", "u")))) == "ClaimMisbound"


def test_a_claim_without_a_volume() -> None:
    assert reason(choose(claim())) == "FailedBinding"
    assert choose(claim(), classes=(kind("std", default=True),)).storage_class == "std"
    assert choose(claim(storageClassName=""), classes=(kind("std", default=True),)).storage_class == ""
    assert choose(claim(storageClassName="std"), classes=(kind("std"),)).provisioner == "example.com/disks"
    missing = choose(claim(storageClassName="std"))
    assert missing.told is not None
    assert missing.told.message == 'storageclass.storage.k8s.io "std" not found'
    static = choose(claim(storageClassName="std"), classes=(kind("std", "kubernetes.io/no-provisioner"),))
    assert (static.provisioner, reason(static)) == ("", "ProvisioningFailed")


def test_a_class_that_waits_for_the_first_pod() -> None:
    wanted, classes = claim(storageClassName="local"), (kind("local", waits=True),)
    free = volume(storageClassName="local")
    assert reason(choose(wanted, free, classes=classes)) == "WaitForFirstConsumer", "the scheduler is to choose"
    told = choose(wanted, free, classes=classes, pods=("a", "b")).told
    assert told is not None and told.message == "waiting for pods a,b to be scheduled"
    chosen = volume(storageClassName="local", claimRef=reference())
    assert bound_to(choose(wanted, chosen, classes=classes)) == "pv"
    selected = claim(storageClassName="local", annotations={"volume.kubernetes.io/selected-node": "n"})
    assert choose(selected, classes=classes).provisioner == "example.com/disks"


VOLUMES: list[tuple[str, Object, Object | None, str | None]] = [
    ("free", volume(phase="Pending"), None, "Available"),
    ("reserved", volume(claimRef=reference(uid="")), None, "Available"),
    ("its claim decides", volume(claimRef=reference()), claim(), None),
    ("bound", volume(claimRef=reference()), claim(volumeName="pv"), "Bound"),
    ("its claim is gone", volume(claimRef=reference()), None, "Released"),
    ("a namesake of its claim", volume(claimRef=reference(uid="before")), claim(), "Released"),
    ("its claim took another", volume(claimRef=reference()), claim(volumeName="other"), "Available"),
    ("nobody cleans it", volume(claimRef=reference(), persistentVolumeReclaimPolicy="Recycle"), None, "Failed"),
    ("nobody deletes it", volume(claimRef=reference(), persistentVolumeReclaimPolicy="Delete"), None, "Failed"),
    (
        "its provisioner deletes it",
        volume(
            claimRef=reference(),
            persistentVolumeReclaimPolicy="Delete",
            annotations={"pv.kubernetes.io/provisioned-by": "example.com/disks"},
        ),
        None,
        "Released",
    ),
]


@pytest.mark.parametrize(("of", "with_claim", "phase"), [row[1:] for row in VOLUMES], ids=[row[0] for row in VOLUMES])
def test_the_phase_of_a_volume(of: Object, with_claim: Object | None, phase: str | None) -> None:
    plan = plan_volume(of, with_claim)
    assert (plan.phase if plan else None) == phase


def test_both_halves_of_a_binding() -> None:
    held = held_volume(volume(), claim())
    assert held["spec"]["claimRef"]["uid"] == "uid-data"
    assert held["metadata"]["annotations"] == {BOUND_BY_CONTROLLER: "yes"}
    assert held_volume(held, claim()) is held
    by_hand = held_volume(volume(claimRef=reference(uid="")), claim())
    assert (by_hand["spec"]["claimRef"]["uid"], by_hand["metadata"]["annotations"]) == ("uid-data", {})
    bound = bound_claim(claim(), held)
    assert bound["spec"]["volumeName"] == "pv"
    assert bound["metadata"]["annotations"] == {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}
    assert bound_claim(bound, held) is bound
    status = claim_status(bound, "Bound", held)
    assert status == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"}}
    assert claim_status(bound | {"status": status}, "Lost", None) == {"phase": "Lost"}


def test_freeing_a_volume_undoes_only_what_the_controller_did() -> None:
    freed = freed_volume(held_volume(volume(), claim()))
    assert "claimRef" not in freed["spec"]
    assert freed["metadata"]["annotations"] == {}
    reserved = freed_volume(volume(claimRef=reference()))
    assert reserved["spec"]["claimRef"] == reference(uid="")
