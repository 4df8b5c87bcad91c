"""persistentVolumeClaim and generic ephemeral volumes that are bound to a path of this node (hostPath, local)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agent.pods.objects import ObjectCache
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.hostpath import prepare_host_path
from agent.pods.volumes.sharing import share_tree
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import is_deleting, name_of, namespace_of, uid_of
from minikube_py.api.nodeaffinity import matches_terms
from minikube_py.api.resources import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from minikube_py.api.types import Object
from minikube_py.api.volumeclaims import ephemeral_claim
from minikube_py.client.errors import ConnectionFailed


async def claim_path(objects: ObjectCache, pod: Object, volume: dict[str, Any], group: int | None) -> Path:
    """Where the claim's volume is on this node. Raises VolumeError while it is not bound, or is of another kind.

    A local volume is given to the ``group`` of the pod (``fsGroup``); hostPath volumes stay as they are.
    """
    name = _claim_name(pod, volume)
    try:
        claim, bound = await _claim_and_volume(objects, namespace_of(pod), name)
        source = path_of(claim, bound)
        await _check_node(objects, pod, bound)
    except (StatusError, ConnectionFailed) as error:
        raise VolumeError(f'error processing PVC "{namespace_of(pod)}/{name}": {error}') from error
    path = await asyncio.to_thread(prepare_host_path, *source)
    if group is not None and "local" in bound["spec"]:
        await asyncio.to_thread(share_tree, path, group)
    return path


async def _claim_and_volume(objects: ObjectCache, namespace: str, name: str) -> tuple[Object, Object]:
    claim = await objects.read(PERSISTENTVOLUMECLAIMS, namespace, name)
    if claim is None:
        raise VolumeError(f'persistentvolumeclaim "{name}" not found')
    if is_deleting(claim):
        raise VolumeError(f'can\'t start pod because PVC "{namespace}/{name}" is being deleted')
    bound = (claim.get("spec") or {}).get("volumeName")
    if not bound or (claim.get("status") or {}).get("phase") != "Bound":
        raise VolumeError(f'PVC "{name}" is not bound')
    volume = await objects.read(PERSISTENTVOLUMES, "", bound)
    if volume is None:
        raise VolumeError(f'persistentvolume "{bound}" not found')
    return claim, volume


async def _check_node(objects: ObjectCache, pod: Object, volume: Object) -> None:
    """A pod that no scheduler has placed may be on a node that the volume cannot be had on."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    if required is None:
        return
    node = await objects.read(NODES, "", str((pod.get("spec") or {}).get("nodeName") or ""))
    if node is None or not matches_terms(required.get("nodeSelectorTerms") or (), node):
        raise VolumeError("MountVolume.NodeAffinity check failed : no matching NodeSelectorTerms")


def path_of(claim: Object, volume: Object) -> tuple[Path, str]:
    """The volume's path and its type as hostPath volumes have them. Raises VolumeError where it has none for us."""
    spec, name = volume.get("spec") or {}, name_of(volume)
    if (spec.get("claimRef") or {}).get("uid") != uid_of(claim):
        raise VolumeError(f'persistentvolume "{name}" is bound to another claim than "{name_of(claim)}"')
    if spec.get("volumeMode") == "Block":
        raise VolumeError(f'persistentvolume "{name}" is a block device: this node has file systems only')
    if "hostPath" in spec:
        return Path(spec["hostPath"]["path"]), spec["hostPath"].get("type") or ""
    if "local" in spec:
        return Path(spec["local"]["path"]), "Directory"
    raise VolumeError(f'persistentvolume "{name}" is of a kind that this node has no plugin for')


def _claim_name(pod: Object, volume: dict[str, Any]) -> str:
    if "ephemeral" in volume:
        return ephemeral_claim(pod, volume)
    return str(volume["persistentVolumeClaim"]["claimName"])
