"""persistentVolumeClaim and generic ephemeral volumes that are bound to a path of this node (hostPath, local)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agent.pods.objects import ObjectCache
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.hostpath import prepare_host_path
from minikube_py.api.meta import name_of, namespace_of, uid_of
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from minikube_py.api.types import Object


async def claim_path(objects: ObjectCache, pod: Object, volume: dict[str, Any]) -> Path:
    """Where the claim's volume is on this node. Raises VolumeError while it is not bound, or is of another kind."""
    name = _claim_name(pod, volume)
    claim = await objects.acquire(uid_of(pod), PERSISTENTVOLUMECLAIMS, namespace_of(pod), name)
    if claim is None:
        raise VolumeError(f'persistentvolumeclaim "{name}" not found')
    bound = (claim.get("spec") or {}).get("volumeName")
    if not bound or (claim.get("status") or {}).get("phase") != "Bound":
        raise VolumeError(f'PVC "{name}" is not bound')
    found = await objects.acquire(uid_of(pod), PERSISTENTVOLUMES, "", bound)
    spec = (found or {}).get("spec") or {}
    if "hostPath" in spec:
        source = spec["hostPath"]
        return await asyncio.to_thread(prepare_host_path, Path(source["path"]), source.get("type") or "")
    if "local" in spec:
        return await asyncio.to_thread(prepare_host_path, Path(spec["local"]["path"]), "Directory")
    raise VolumeError(f'persistentvolume "{bound}" is of a kind that this node has no plugin for')


def _claim_name(pod: Object, volume: dict[str, Any]) -> str:
    if "ephemeral" in volume:
        return f"{name_of(pod)}-{volume['name']}"
    return str(volume["persistentVolumeClaim"]["claimName"])
