"""What PersistentVolumeClaims, PersistentVolumes and StorageClasses say of each other.

For the controller that binds them, the scheduler that places their pods and the admission that defaults them.

Semantics and words: Kubernetes' "Persistent Volumes" page, KEP-3333 and k8s.io/component-helpers storage/volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from minikube_py.api.meta import (
    annotations_of,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    uid_of,
)
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object

#: A provisioner by this name makes nothing: volumes of the class are made by hand.
NO_PROVISIONER = "kubernetes.io/no-provisioner"
#: The scheduler's word to a provisioner that waits for the first consumer: make it for this node.
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
#: Taken away by the controllers that protect what is in use.
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def claims_of(pod: Object) -> Iterator[str]:
    """The names of the claims that a pod mounts, those of its generic ephemeral volumes included."""
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            yield str(volume["persistentVolumeClaim"].get("claimName") or "")
        elif volume.get("ephemeral"):
            yield ephemeral_claim(pod, volume)


def ephemeral_claim(pod: Object, volume: dict[str, Any]) -> str:
    """The name of the claim that is made for a generic ephemeral volume of the pod."""
    return f"{name_of(pod)}-{volume.get('name')}"


def names_class(claim: Object) -> bool:
    """Whether the claim says which class it wants; "" says that it wants none."""
    return _BETA_CLASS in annotations_of(claim) or _spec(claim).get("storageClassName") is not None


def class_of(obj: Object) -> str:
    """The class of a claim or volume; "" where it has none."""
    given = annotations_of(obj).get(_BETA_CLASS)
    return given if given is not None else str(_spec(obj).get("storageClassName") or "")


def default_class(classes: Iterable[Object]) -> Object | None:
    """The class of claims that name none: of several defaults the newest, of equally new ones the first by name."""
    marked = [each for each in classes if any(annotations_of(each).get(mark) == "true" for mark in _DEFAULT_CLASS)]
    marked.sort(key=name_of)
    return max(marked, key=lambda each: str(metadata(each).get("creationTimestamp") or ""), default=None)


def waits_for_pod(kind: Object | None) -> bool:
    """Whether claims of this class are bound only when a pod that uses them is placed."""
    return (kind or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def requested_storage(claim: Object) -> Decimal:
    """How many bytes the claim asks for."""
    return parse_quantity(((_spec(claim).get("resources") or {}).get("requests") or {}).get("storage") or "0")


def is_fully_bound(claim: Object) -> bool:
    """Whether both halves of the claim's binding are written."""
    return bool(_spec(claim).get("volumeName")) and BIND_COMPLETED in annotations_of(claim)


def is_held_by(volume: Object, claim: Object) -> bool:
    """Whether the volume is bound to, or reserved for, this claim."""
    holder = _spec(volume).get("claimRef") or {}
    if (holder.get("namespace"), holder.get("name")) != (namespace_of(claim), name_of(claim)):
        return False
    return not holder.get("uid") or holder["uid"] == uid_of(claim)


def mismatch(volume: Object, claim: Object) -> str:
    """Why a volume that the claim names is not for it, or "". The words are seen in VolumeMismatch events."""
    if is_deleting(volume):
        return f'the volume is marked for deletion "{name_of(volume)}"'
    if _capacity(volume) < requested_storage(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _attributes_class(volume) != _attributes_class(claim):
        return "volumeAttributesClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    if not set(_spec(claim).get("accessModes") or ()) <= set(_spec(volume).get("accessModes") or ()):
        return "incompatible accessMode"
    return ""


def best_volume(
    claim: Object, volumes: Iterable[Object], *, reachable: Callable[[Object], bool] = lambda _volume: True
) -> Object | None:
    """The volume that is reserved for the claim, else the smallest free one that fits, with the fewest modes to spare.

    ``reachable`` says of a volume whether it can be had where the claim's pod goes.
    """
    fitting = []
    for volume in volumes:
        if is_held_by(volume, claim):
            if _is_big_enough(volume, claim):
                return volume if reachable(volume) else None
        elif not _spec(volume).get("claimRef") and _suits(volume, claim) and reachable(volume):
            fitting.append(volume)
    return min(fitting, key=_preference, default=None)


def reserved_volume(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """The volume that names this claim, if it can serve it."""
    return next((each for each in volumes if is_held_by(each, claim) and _is_big_enough(each, claim)), None)


def held_volume(volume: Object, claim: Object) -> Object:
    """The volume with its half of the binding; the same object where it has it already."""
    holder = (volume.get("spec") or {}).get("claimRef") or {}
    if is_held_by(volume, claim) and holder.get("uid"):
        return volume
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata(claim).get("namespace"),
        "name": name_of(claim),
        "uid": uid_of(claim),
        "resourceVersion": metadata(claim).get("resourceVersion"),
    }
    held = volume | {"spec": volume["spec"] | {"claimRef": reference}}
    return held if is_held_by(volume, claim) else annotated(held, {BOUND_BY_CONTROLLER: "yes"})


def annotated(obj: Object, marks: dict[str, str]) -> Object:
    """The object with these annotations; the same object where it has them."""
    annotations = annotations_of(obj)
    if all(annotations.get(key) == value for key, value in marks.items()):
        return obj
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations | marks}}


def _preference(volume: Object) -> tuple[int, Decimal, str]:
    return len(_spec(volume).get("accessModes") or ()), _capacity(volume), name_of(volume)


def _suits(volume: Object, claim: Object) -> bool:
    if (volume.get("status") or {}).get("phase") != "Available" or mismatch(volume, claim):
        return False
    selector = _spec(claim).get("selector")
    return selector is None or label_selector_of(selector).matches(labels_of(volume))


def _is_big_enough(volume: Object, claim: Object) -> bool:
    """A reservation overrides class, modes and selector, but not size, kind and a deletion under way."""
    same_kind = _mode(volume) == _mode(claim) and _attributes_class(volume) == _attributes_class(claim)
    return same_kind and not is_deleting(volume) and _capacity(volume) >= requested_storage(claim)


def _spec(obj: Object) -> dict[str, Any]:
    return obj.get("spec") or {}


def _capacity(volume: Object) -> Decimal:
    return parse_quantity((_spec(volume).get("capacity") or {}).get("storage") or "0")


def _mode(obj: Object) -> str:
    return str(_spec(obj).get("volumeMode") or "Filesystem")


def _attributes_class(obj: Object) -> str:
    return str(_spec(obj).get("volumeAttributesClassName") or "")
