"""What becomes of a claim and of a volume: decided from the two of them, and from what else there is to choose from.

Semantics, events and their words: kubernetes/kubernetes pkg/controller/volume/persistentvolume. Volumes that
a provisioner would make, clean or delete are left to it: this cluster has none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minikube_py.api.meta import annotations_of, name_of, uid_of
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    NO_PROVISIONER,
    SELECTED_NODE,
    annotated,
    best_volume,
    class_of,
    default_class,
    is_held_by,
    mismatch,
    names_class,
    reserved_volume,
    waits_for_pod,
)

_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_BUILT_IN = "kubernetes.io/"
_LOST_REFERENCE = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
_LOST_VOLUME = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
_MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"
_NOTHING = "no persistent volumes available for this claim and no storage class is set"


@dataclass(frozen=True, slots=True)
class Told:
    """An event."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """What to do for a claim: bind it to ``volume``, give it a class, hand it to a provisioner, or set its phase."""

    phase: str = "Pending"
    volume: Object | None = None
    storage_class: str = ""
    provisioner: str = ""
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """The phase of a volume; ``free``: the claim that it was meant for has taken another."""

    phase: str
    free: bool = False
    message: str = ""
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What there is to choose from. ``waiting_pods`` are the unplaced pods that use the claim."""

    volume: Callable[[str], Object | None]
    volumes: Sequence[Object]
    classes: Sequence[Object]
    waiting_pods: Sequence[str] = ()


def plan_claim(claim: Object, choice: Choice) -> ClaimPlan:
    """The next step for the claim."""
    name = str((claim.get("spec") or {}).get("volumeName") or "")
    if BIND_COMPLETED in annotations_of(claim):
        return _bound_before(claim, name, choice.volume(name) if name else None)
    if name:
        return _asks_for(claim, name, choice.volume(name))
    kind = next((each for each in choice.classes if name_of(each) == class_of(claim)), None)
    find = reserved_volume if class_of(claim) and waits_for_pod(kind) else best_volume
    volume = find(claim, choice.volumes)
    return ClaimPlan("Bound", volume) if volume is not None else _without_volume(claim, kind, choice)


def _bound_before(claim: Object, name: str, volume: Object | None) -> ClaimPlan:
    if not name:
        return ClaimPlan("Lost", told=Told("Warning", "ClaimLost", _LOST_REFERENCE))
    if volume is None:
        return ClaimPlan("Lost", told=Told("Warning", "ClaimLost", _LOST_VOLUME))
    holder = (volume.get("spec") or {}).get("claimRef")
    if holder is None or holder.get("uid") == uid_of(claim):
        return ClaimPlan("Bound", volume)
    return ClaimPlan("Lost", told=Told("Warning", "ClaimMisbound", _MISBOUND))


def _asks_for(claim: Object, name: str, volume: Object | None) -> ClaimPlan:
    if volume is None:
        return ClaimPlan()
    if is_held_by(volume, claim):
        return ClaimPlan("Bound", volume)
    if (volume.get("spec") or {}).get("claimRef"):
        return ClaimPlan(told=Told("Warning", "FailedBinding", f'volume "{name}" already bound to a different claim.'))
    why = mismatch(volume, claim)
    if why:
        return ClaimPlan(told=Told("Warning", "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}'))
    return ClaimPlan("Bound", volume)


def _without_volume(claim: Object, kind: Object | None, choice: Choice) -> ClaimPlan:
    default = None if names_class(claim) else default_class(choice.classes)
    if default is not None:
        return ClaimPlan(storage_class=name_of(default))
    if waits_for_pod(kind) and SELECTED_NODE not in annotations_of(claim):
        return ClaimPlan(told=_delayed(choice.waiting_pods))
    if class_of(claim):
        return _provisioning(claim, kind)
    return ClaimPlan(told=Told("Normal", "FailedBinding", _NOTHING))


def _delayed(pods: Sequence[str]) -> Told:
    if not pods:
        return Told("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    which = f"pod{'s' if len(pods) > 1 else ''} {','.join(pods)}"
    return Told("Normal", "WaitForPodScheduled", f"waiting for {which} to be scheduled")


def _provisioning(claim: Object, kind: Object | None) -> ClaimPlan:
    if kind is None:
        missing = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
        return ClaimPlan(told=Told("Warning", "ProvisioningFailed", missing))
    provisioner = str(kind.get("provisioner") or "")
    if provisioner == NO_PROVISIONER or provisioner.startswith(_BUILT_IN):
        return ClaimPlan(told=Told("Warning", "ProvisioningFailed", f"no volume plugin matched name: {provisioner}"))
    waiting = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' "
        "or manually by the system administrator. If volume creation is delayed, please verify that "
        "the provisioner is running and correctly registered."
    )
    return ClaimPlan(provisioner=provisioner, told=Told("Normal", "ExternalProvisioning", waiting))


def plan_volume(volume: Object, claim: Object | None) -> VolumePlan | None:
    """The volume's phase; ``claim`` is the one that it names, if there is one of that name. None: the claim decides."""
    holder = (volume.get("spec") or {}).get("claimRef") or {}
    if not holder.get("uid"):
        return VolumePlan("Available")
    if claim is None or uid_of(claim) != holder["uid"]:
        return _released(volume)
    taken = (claim.get("spec") or {}).get("volumeName")
    if not taken:
        return None
    if taken == name_of(volume):
        return VolumePlan("Bound")
    if _PROVISIONED_BY in annotations_of(volume) and _policy(volume) == "Delete":
        return _released(volume)
    return VolumePlan("Available", free=True)


def _policy(volume: Object) -> str:
    return str((volume.get("spec") or {}).get("persistentVolumeReclaimPolicy") or "Retain")


def _released(volume: Object) -> VolumePlan:
    """Its claim is gone: kept for its data, left to its provisioner, or not to be had again."""
    name, policy = name_of(volume), _policy(volume)
    if policy == "Recycle":
        return _failed("VolumeFailedRecycle", "No recycler plugin found for the volume!")
    maker = annotations_of(volume).get(_PROVISIONED_BY, "")
    external = bool(maker) and not maker.startswith(_BUILT_IN)
    if policy == "Delete" and not external and not (volume.get("spec") or {}).get("csi"):
        why = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
        return _failed("VolumeFailedDelete", why)
    return VolumePlan("Released")


def _failed(reason: str, message: str) -> VolumePlan:
    return VolumePlan("Failed", message=message, told=Told("Warning", reason, message))


def freed_volume(volume: Object) -> Object:
    """The volume without its claim, or reserved again where a person had reserved it."""
    spec = dict(volume["spec"])
    annotations = dict(annotations_of(volume))
    if annotations.pop(BOUND_BY_CONTROLLER, None) is not None:
        spec.pop("claimRef", None)
    else:
        spec["claimRef"] = {key: value for key, value in spec["claimRef"].items() if key != "uid"}
    return volume | {"spec": spec, "metadata": volume["metadata"] | {"annotations": annotations}}


def bound_claim(claim: Object, volume: Object) -> Object:
    """The claim with its half of the binding; the same object where it has it already."""
    marks = {BIND_COMPLETED: "yes"}
    spec = claim.get("spec") or {}
    if spec.get("volumeName") != name_of(volume):
        marks[BOUND_BY_CONTROLLER] = "yes"
        claim = claim | {"spec": spec | {"volumeName": name_of(volume)}}
    return annotated(claim, marks)


def claim_status(claim: Object, phase: str, volume: Object | None) -> Object:
    """The claim's status: what it has got of its volume, if any."""
    before = claim.get("status") or {}
    status = {key: value for key, value in before.items() if key not in ("accessModes", "capacity")}
    status["phase"] = phase
    if volume is None:
        status.pop("currentVolumeAttributesClassName", None)
        return status
    spec = volume["spec"]
    status["accessModes"] = spec.get("accessModes")
    status["capacity"] = before.get("capacity") if before.get("phase") == phase else spec.get("capacity")
    if before.get("phase") == "Pending" and spec.get("volumeAttributesClassName"):
        status["currentVolumeAttributesClassName"] = spec["volumeAttributesClassName"]
    return status
