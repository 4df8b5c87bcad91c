"""Volumes as far as placing a pod goes: claims must exist, bound volumes must be reachable from the node.

Reasons are those of upstream's VolumeBinding, VolumeZone and VolumeRestrictions plugins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minikube_py.api.meta import is_deleting, name_of
from minikube_py.api.nodeaffinity import matches_terms
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import (
    NO_PROVISIONER,
    best_volume,
    claims_of,
    class_of,
    is_fully_bound,
    requested_storage,
    waits_for_pod,
)
from minikube_py.scheduler.snapshot import Check, Snapshot, Unresolvable, Volumes
from minikube_py.scheduler.views import NodeInfo, PodInfo

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
    waiting = [claim for claim in claims if not is_fully_bound(claim)]

    def check(node: NodeInfo) -> Sequence[str]:
        if not all(_reachable(volume, node) for volume in bound):
            return (_CONFLICT,)
        return () if match_claims(waiting, node, snapshot.volumes) is not None else (_NONE_TO_BIND,)

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
    return list(claims_of(pod.obj))


def waiting_claims(pod: PodInfo, volumes: Volumes) -> list[Object]:
    """The pod's claims that are bound only now that the pod is placed."""
    claims = (volumes.claim(pod.namespace, name) for name in claim_names(pod))
    return [claim for claim in claims if claim is not None and not is_fully_bound(claim)]


def match_claims(
    claims: Iterable[Object], node: NodeInfo, volumes: Volumes
) -> list[tuple[Object, Object | None]] | None:
    """A volume on this node for each claim, or None beside one whose provisioner will make it there.

    None in all where a claim can have neither. The claim that asks for least chooses first.
    """
    matched: list[tuple[Object, Object | None]] = []
    free = list(volumes.all_volumes())
    for claim in sorted(claims, key=requested_storage):
        volume = best_volume(claim, free, reachable=lambda volume: _reachable(volume, node))
        if volume is None and not _is_provisioned(claim, volumes):
            return None
        free = [each for each in free if each is not volume]
        matched.append((claim, volume))
    return matched


def _is_provisioned(claim: Object, volumes: Volumes) -> bool:
    kind = volumes.storage_class(class_of(claim)) or {}
    return bool(kind.get("provisioner", NO_PROVISIONER) != NO_PROVISIONER)


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
    if is_fully_bound(claim):
        return claim
    if _volume_name(claim) or not waits_for_pod(volumes.storage_class(class_of(claim))):
        raise Unresolvable(_UNBOUND)
    return claim


def _volume_name(claim: Object) -> str:
    return str((claim.get("spec") or {}).get("volumeName") or "")


def _bound_volume(claim: Object, volumes: Volumes) -> Object | None:
    if not is_fully_bound(claim):
        return None
    name = _volume_name(claim)
    volume = volumes.volume(name)
    if volume is None:
        raise Unresolvable(f'persistentvolumeclaim "{name_of(claim)}" bound to non-existent persistentvolume "{name}"')
    return volume


def _reachable(volume: Object, node: NodeInfo) -> bool:
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or matches_terms(required.get("nodeSelectorTerms") or (), node.obj)
