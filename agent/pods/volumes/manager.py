"""Sets a pod's volumes up, keeps them current, and takes them down."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.pods.model import spec_of
from agent.pods.objects import ObjectCache
from agent.pods.volumes.atomic import File, write_payload
from agent.pods.volumes.certificates import CertificateSource
from agent.pods.volumes.claims import claim_path
from agent.pods.volumes.errors import VolumeError
from agent.pods.volumes.hostpath import HERE, prepare_host_path
from agent.pods.volumes.images import ImageVolumes
from agent.pods.volumes.memory import discard_memory_directory, make_memory_directory, memory_size
from agent.pods.volumes.payload import (
    Inputs,
    certificates_of,
    references_of,
    signers_of,
    sources_of,
    tokens_of,
    volume_files,
)
from agent.pods.volumes.sharing import share_with
from agent.pods.volumes.tokens import TokenSource
from minikube_py.aio.clock import Clock
from minikube_py.api.meta import namespace_of, uid_of
from minikube_py.api.quantity import bytes_of
from minikube_py.api.resources import CLUSTERTRUSTBUNDLES
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MountedVolumes:
    """Where a pod's volumes are on this machine; ``read_only`` are those made of API objects and of images."""

    paths: Mapping[str, Path]
    read_only: frozenset[str]


class VolumeManager:
    """Volumes of this node's pods, below ``root``/<uid>/volumes."""

    def __init__(
        self,
        *,
        root: Path,
        objects: ObjectCache,
        tokens: TokenSource,
        certificates: CertificateSource,
        clock: Clock,
        allocatable: Callable[[], Mapping[str, str]],
        images: ImageVolumes,
        own_mounts: bool = False,
        host_root: Path = HERE,
    ) -> None:
        """``host_root`` is where this process sees the files of the machine that runs the containers."""
        self._host_root = host_root
        self._root = root
        self._objects = objects
        self._tokens = tokens
        self._certificates = certificates
        self._clock = clock
        self._allocatable = allocatable
        self._images = images
        self._own_mounts = own_mounts
        #: One writer per pod at a time: two updates of one directory would take each other's links away.
        self._locks: dict[str, asyncio.Lock] = {}

    def directory(self, uid: str) -> Path:
        """Where the pod's volumes live."""
        return self._root / uid / "volumes"

    async def setup(self, pod: Object) -> MountedVolumes:
        """Every volume of the pod, made or brought up to date. Raises VolumeError naming the first that fails."""
        async with self._lock(uid_of(pod)):
            return await self._setup_all(pod)

    async def _setup_all(self, pod: Object) -> MountedVolumes:
        paths: dict[str, Path] = {}
        read_only = set()
        for volume in spec_of(pod).get("volumes") or ():
            try:
                paths[volume["name"]] = await self._setup_one(pod, volume)
            except (VolumeError, OSError) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error
            if _from_api(volume) or "image" in volume:
                read_only.add(volume["name"])
        return MountedVolumes(paths, frozenset(read_only))

    async def refresh(self, pod: Object) -> None:
        """Write again what is made of API objects: one of them, the pod's metadata or a token has changed."""
        async with self._lock(uid_of(pod)):
            for volume in spec_of(pod).get("volumes") or ():
                if _from_api(volume):
                    await self._refresh_one(pod, volume)

    async def _refresh_one(self, pod: Object, volume: dict[str, Any]) -> None:
        try:
            await self._write(pod, volume)
        except (VolumeError, OSError) as error:
            _log.info("volume %s of pod %s stays as it is: %s", volume["name"], uid_of(pod), error)

    def _lock(self, uid: str) -> asyncio.Lock:
        return self._locks.setdefault(uid, asyncio.Lock())

    async def teardown(self, uid: str) -> None:
        """Give up the pod's volumes and what they hold."""
        self._tokens.forget(uid)
        self._certificates.forget(uid)
        self._locks.pop(uid, None)
        await self._objects.release(uid)
        await asyncio.to_thread(_remove_tree, self.directory(uid))

    async def _setup_one(self, pod: Object, volume: dict[str, Any]) -> Path:
        if _from_api(volume):
            return await self._write(pod, volume)
        if "emptyDir" in volume:
            return await asyncio.to_thread(self._empty_dir, pod, volume)
        if "hostPath" in volume:
            source = volume["hostPath"]
            kind = source.get("type") or ""
            return await asyncio.to_thread(prepare_host_path, Path(source["path"]), kind, root=self._host_root)
        if "persistentVolumeClaim" in volume or "ephemeral" in volume:
            return await claim_path(self._objects, pod, volume, _fs_group(pod))
        if "image" in volume:
            return await self._images.path(pod, volume["image"])
        kind = next((key for key in volume if key != "name"), "no source")
        raise VolumeError(f"this node has no volume plugin for {kind}")

    async def _write(self, pod: Object, volume: dict[str, Any]) -> Path:
        files = volume_files(pod, volume, await self._inputs(pod, volume))
        group = _fs_group(pod)
        if group is not None:
            files = {name: replace(file, mode=file.mode | 0o440) for name, file in files.items()}
        path = self._path(pod, volume, _plugin(volume))
        await asyncio.to_thread(_write_files, path, files, self._clock, -1 if group is None else group)
        return path

    async def _inputs(self, pod: Object, volume: dict[str, Any]) -> Inputs:
        uid, namespace = uid_of(pod), namespace_of(pod)
        objects = {
            (reference.resource, reference.name): await self._objects.acquire(
                uid, reference.resource, namespace if reference.resource.namespaced else "", reference.name
            )
            for reference in references_of(volume)
        }
        tokens = {request: await self._tokens.get(pod, request) for request in tokens_of(volume)}
        bundles = {
            signer: await self._objects.select(uid, CLUSTERTRUSTBUNDLES, f"spec.signerName={signer}")
            for signer in signers_of(volume)
        }
        certificates = {request: await self._certificates.get(pod, request) for request in certificates_of(volume)}
        return Inputs(objects, tokens, self._allocatable(), bundles, certificates)

    def _empty_dir(self, pod: Object, volume: dict[str, Any]) -> Path:
        path = self._path(pod, volume, "empty-dir")
        if path.is_dir():
            return path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        source = volume["emptyDir"] or {}
        if source.get("medium") == "Memory":
            size = memory_size(pod, source, bytes_of(self._allocatable()["memory"]))
            make_memory_directory(path, size, mounted=self._own_mounts)
        else:
            path.mkdir()
        if not path.is_mount():
            path.chmod(0o777)
        group = _fs_group(pod)
        if group is not None:
            share_with(path, group)
        return path.resolve()

    def _path(self, pod: Object, volume: dict[str, Any], plugin: str) -> Path:
        return self.directory(uid_of(pod)) / f"kubernetes.io~{plugin}" / str(volume["name"])


def _from_api(volume: Mapping[str, Any]) -> bool:
    return "projected" in volume or bool(sources_of(volume))


def _plugin(volume: Mapping[str, Any]) -> str:
    names = {"configMap": "configmap", "secret": "secret", "downwardAPI": "downward-api", "projected": "projected"}
    return next(name for key, name in names.items() if key in volume)


def _write_files(path: Path, files: dict[str, File], clock: Clock, group: int) -> None:
    write_payload(path, files, clock.now(), group=group)


def _fs_group(pod: Object) -> int | None:
    value = (spec_of(pod).get("securityContext") or {}).get("fsGroup")
    return None if value is None else int(value)


def _remove_tree(directory: Path) -> None:
    for path in directory.glob("kubernetes.io~empty-dir/*"):
        discard_memory_directory(path)
    shutil.rmtree(directory, ignore_errors=True)
