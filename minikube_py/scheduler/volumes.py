"""Volumes as far as placing a pod goes: claims must exist, bound volumes must be reachable from the node.

Reasons are those of upstream's VolumeBinding, VolumeZone and VolumeRestrictions plugins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minikube_py.api.meta import is_deleting, labels_of, name_of, uid_of
from minikube_py.api.nodeaffinity import matches_terms
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object
from minikube_py.scheduler.snapshot import Check, Snapshot, Unresolvable, Volumes
from minikube_py.scheduler.views import NodeInfo, PodInfo

NO_PROVISIONER = "kubernetes.io/no-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"

_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
_NONE_TO_BIND = "node(s) didn't find available persistent volumes to bind"
_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
_SOLE_USER = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


def volume_filter(pod: PodInfo, snapshot: Snapshot) -> Check | None:
    """Whether the pod's claims can be had on a node. Raises Unresolvable where no node could help."""
    names = claim_names(pod)
    if not names:
        return None
    claims = [_usable_claim(pod, name, snapshot.volumes) for name in names]
    bound = [volume for claim in claims if (volume := _bound_volume(claim, snapshot.volumes)) is not None]
    waiting = [claim for claim in claims if not _volume_name(claim)]

    def check(node: NodeInfo) -> Sequence[str]:
        if not all(_reachable(volume, node) for volume in bound):
            return (_CONFLICT,)
        if not all(_can_bind(claim, node, snapshot.volumes) for claim in waiting):
            return (_NONE_TO_BIND,)
        return ()

    return check


def sole_user_filter(pod: PodInfo, snapshot: Snapshot) -> Check | None:
    """A ReadWriteOncePod claim serves one pod of the whole cluster."""
    volumes = snapshot.volumes
    for name in claim_names(pod):
        claim = volumes.claim(pod.namespace, name)
        modes = ((claim or {}).get("spec") or {}).get("accessModes") or ()
        if "ReadWriteOncePod" in modes and volumes.claim_users(pod.namespace, name):
            raise Unresolvable(_SOLE_USER)
    return None


def claim_names(pod: PodInfo) -> list[str]:
    """The names of the claims that the pod mounts, those of its generic ephemeral volumes included."""
    return list(_claim_names(pod.spec.get("volumes") or (), pod.key.name))


def waiting_claims(pod: PodInfo, volumes: Volumes) -> list[Object]:
    """Claims whose provisioner waits to hear which node the pod got."""
    claims = (volumes.claim(pod.namespace, name) for name in claim_names(pod))
    return [claim for claim in claims if claim is not None and not _volume_name(claim)]


def _claim_names(volumes: Iterable[Object], pod_name: str) -> Iterable[str]:
    for volume in volumes:
        if claim := volume.get("persistentVolumeClaim"):
            yield str(claim.get("claimName") or "")
        elif volume.get("ephemeral"):
            yield f"{pod_name}-{volume.get('name')}"


def _usable_claim(pod: PodInfo, name: str, volumes: Volumes) -> Object:
    claim = volumes.claim(pod.namespace, name)
    if claim is None:
        raise Unresolvable(f'persistentvolumeclaim "{name}" not found')
    if is_deleting(claim):
        raise Unresolvable(f'persistentvolumeclaim "{name}" is being deleted')
    if (claim.get("status") or {}).get("phase") == "Lost":
        raise Unresolvable(
            f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{_volume_name(claim)}"'
        )
    if not _volume_name(claim) and not _waits_for_pod(claim, volumes):
        raise Unresolvable(_UNBOUND)
    return claim


def _volume_name(claim: Object) -> str:
    return str((claim.get("spec") or {}).get("volumeName") or "")


def _class_name(obj: Object) -> str:
    return str((obj.get("spec") or {}).get("storageClassName") or "")


def _waits_for_pod(claim: Object, volumes: Volumes) -> bool:
    found = volumes.storage_class(_class_name(claim))
    return (found or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def _bound_volume(claim: Object, volumes: Volumes) -> Object | None:
    name = _volume_name(claim)
    if not name:
        return None
    volume = volumes.volume(name)
    if volume is None:
        raise Unresolvable(f'persistentvolumeclaim "{name_of(claim)}" bound to non-existent persistentvolume "{name}"')
    return volume


def _reachable(volume: Object, node: NodeInfo) -> bool:
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or matches_terms(required.get("nodeSelectorTerms") or (), node.obj)


def _can_bind(claim: Object, node: NodeInfo, volumes: Volumes) -> bool:
    """A volume that is there and free, or a provisioner that will make one."""
    if any(_suits(volume, claim) and _reachable(volume, node) for volume in volumes.all_volumes()):
        return True
    found = volumes.storage_class(_class_name(claim)) or {}
    return bool(found.get("provisioner", NO_PROVISIONER) != NO_PROVISIONER)


def _suits(volume: Object, claim: Object) -> bool:
    spec, wanted = volume.get("spec") or {}, claim.get("spec") or {}
    holder = spec.get("claimRef")
    if holder is not None and holder.get("uid") != uid_of(claim):
        return False
    if (volume.get("status") or {}).get("phase", "Available") not in ("Available", "Pending"):
        return False
    if _class_name(volume) != _class_name(claim) or not set(wanted.get("accessModes") or ()) <= set(
        spec.get("accessModes") or ()
    ):
        return False
    selector = wanted.get("selector")
    if selector is not None and not label_selector_of(selector).matches(labels_of(volume)):
        return False
    asked = ((wanted.get("resources") or {}).get("requests") or {}).get("storage", "0")
    return parse_quantity((spec.get("capacity") or {}).get("storage", "0")) >= parse_quantity(asked)
