"""Images of this machine: a directory shared by all its nodes, filled from archives, safe against being killed.

``images/<digest>`` appears by one rename when it is complete; ``names/<hash>`` binds a name to a digest the same way.
What is under way lies in ``incoming`` and is swept by the next load when nobody holds its lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from agent.images.access import ImageAccess
from agent.images.archive import Archive, ArchiveFault, ImageInArchive
from agent.images.builtin import builtin_images
from agent.images.layers import Limits, unpack_layer
from agent.images.model import LocalImage, canonical_name, reference_of
from agent.images.pull import Pull, PulledLayers
from agent.runtime.protocol import ImageFault, ImageInfo, Progress, unwatched
from minikube_py.api.types import Object

#: Names that no registry can have.
_UNPULLABLE = ("minik.local/", "localhost/")
_INSTEAD = (
    "`minik image load FILE` takes an archive made by `docker save`; minik.local/echo and minik.local/host need none"
)
#: A directory this young may not have been locked yet by whoever has made it.
_YOUNG_SECONDS = 60.0


class LayerSource(Protocol):
    """Where the layers of an image are: an archive, or a directory of files just pulled."""

    def layer(self, name: str, diff_id: str) -> AbstractContextManager[tarfile.TarFile]: ...


class _Workspace:
    """A directory below ``incoming``, locked: what has no lock there is swept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = os.open(path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Removes what is left of it."""
        os.close(self._lock)
        shutil.rmtree(self.path, ignore_errors=True)


class LocalImages:
    """The ImageStore of the embedded runtime. ``pull`` None: what is not here has to be loaded.

    What was loaded by hand is what its name means: no registry is asked about it, whatever the pull policy says.
    """

    def __init__(self, image_dir: Path, *, limits: Limits | None = None, pull: Pull | None = None) -> None:
        self._dir = image_dir
        self._pull = pull
        self._access = ImageAccess(image_dir / "access")
        self._turns: dict[str, asyncio.Lock] = {}
        self._limits = limits or Limits()
        self._builtin = {image.info.names[0]: image for image in builtin_images()}

    async def ensure(
        self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = (), on_progress: Progress = unwatched
    ) -> ImageInfo:
        """The image, pulled where the policy says so. Raises ImageFault."""
        found = await asyncio.to_thread(self.find, image)
        if found is not None and (pull_policy != "Always" or not await asyncio.to_thread(self._was_pulled, image)):
            return found.info
        if pull_policy == "Never":
            raise ImageFault("ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never')
        name = canonical_name(image)
        async with self._turns.setdefault(name, asyncio.Lock()):  # of two pods that want it one pulls, the other finds
            if pull_policy != "Always" and (found := await asyncio.to_thread(self.find, image)) is not None:
                return found.info
            return await self._fetch(name, pull_secrets, on_progress)

    async def _fetch(self, name: str, secrets: Sequence[Object], on_progress: Progress) -> ImageInfo:
        what = f'failed to pull and unpack image "{name}"'
        if self._pull is None or name.startswith(_UNPULLABLE):
            raise ImageFault("ErrImagePull", f"{what}: it is not here, and there is no registry to ask. {_INSTEAD}")
        reference = reference_of(name)
        workspace = await asyncio.to_thread(self._open_workspace)
        try:
            with self._access.pulling(name):
                image, digest, user = await self._pull.pull(
                    reference, secrets, workspace.path, have=self._has, on_progress=on_progress
                )
                image = replace(image, names=(name, reference.by_digest(digest)))
                info = await asyncio.to_thread(self._take_in, PulledLayers(workspace.path), image, pulled=True)
                await asyncio.to_thread(self._access.record, info.id, name, user)
            return info
        except ImageFault as fault:
            raise ImageFault(fault.reason, f"{what}: {fault.message}. {_INSTEAD}") from fault
        except ArchiveFault as fault:
            raise ImageFault("ErrImagePull", f"{what}: {fault}") from fault
        except OSError as error:
            raise ImageFault("ErrImagePull", f"{what}: {error.strerror or error}") from error
        finally:
            await asyncio.to_thread(workspace.close)

    async def accessible(self, image: str, secrets: Sequence[Object]) -> bool:
        """Whether a pod with these pull secrets may use the image without asking its registry."""
        try:
            found = await asyncio.to_thread(self.find, image)
        except ImageFault:
            return True  # it will be refused for its name
        if found is None or not found.rootfs or image.startswith("sha256:"):
            return True
        return await asyncio.to_thread(self._access.allows, found.info.id, canonical_name(image), secrets)

    async def directory(self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = ()) -> Path:
        """Where the image is unpacked. Raises ImageFault, also for a built-in image, which has no files of its own."""
        await self.ensure(image, pull_policy=pull_policy, pull_secrets=pull_secrets)
        found = await asyncio.to_thread(self.find, image)
        if found is None or not found.rootfs:
            raise ImageFault("ErrImagePull", f"image {image!r} has no files that could be a volume")
        return Path(found.rootfs)

    async def list_images(self) -> list[ImageInfo]:
        return [image.info for image in await asyncio.to_thread(self._all)]

    async def remove(self, image_id: str) -> None:
        await asyncio.to_thread(self._remove, image_id)
        await asyncio.to_thread(self._access.forget, image_id)

    async def load(self, chunks: AsyncIterator[bytes]) -> list[ImageInfo]:
        """Takes in a ``docker save`` or OCI archive. Raises ImageFault (InvalidArchive) and OSError (disk full)."""
        self._incoming().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._incoming()) as spool:
            size = 0
            async for chunk in chunks:
                size += len(chunk)
                if size > self._limits.total_bytes:
                    raise ImageFault("InvalidArchive", "the archive is larger than allowed")
                await asyncio.to_thread(spool.write, chunk)
            spool.seek(0)
            return await asyncio.to_thread(self.load_file, spool)

    def load_file(self, file: Any) -> list[ImageInfo]:
        """The same for an open file; blocking."""
        self._sweep()
        try:
            with Archive(file) as archive:
                return [self._take_in(archive, image) for image in archive.images()]
        except ArchiveFault as fault:
            raise ImageFault("InvalidArchive", str(fault)) from fault

    def find(self, image: str) -> LocalImage | None:
        """The image by name or id; blocking. Raises ImageFault for what is no name."""
        for candidate in self._builtin.values():
            if image == candidate.info.id:
                return candidate
        if image.startswith("sha256:"):
            return self._read(image.removeprefix("sha256:"))
        name = canonical_name(image)
        if name in self._builtin:
            return self._builtin[name]
        bound = self._bindings().get(name)
        if bound is None and "@sha256:" in name:
            return self._read(name.partition("@sha256:")[2])
        return self._read(bound["digest"] if bound else "")

    def _has(self, digest: str) -> bool:
        return self._read(digest) is not None

    def _was_pulled(self, image: str) -> bool:
        """Whether it came from a registry, where there may be another one of the name now. A digest never changes."""
        if image.startswith(("sha256:", "minik:")) or "@" in image:
            return False
        bound = self._bindings().get(canonical_name(image))
        return bool(bound and bound.get("pulled"))

    def _all(self) -> list[LocalImage]:
        found = [*self._builtin.values()]
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(self._dir / "images")):
                if (image := self._read(entry)) is not None:
                    found.append(image)
        return found

    def _read(self, digest: str) -> LocalImage | None:
        path = self._dir / "images" / digest
        if not digest or not digest.isalnum():
            return None
        try:
            data = json.loads((path / "image.json").read_bytes())
        except (OSError, ValueError):
            return None
        names = tuple(sorted(name for name, bound in self._bindings().items() if bound["digest"] == digest))
        return LocalImage(_info(digest, names, data), rootfs=str(path / "rootfs"))

    def _bindings(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._dir / "names"):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    data = json.loads(Path(entry.path).read_bytes())
                    found[data["name"]] = {"digest": str(data["digest"]), "pulled": bool(data.get("pulled"))}
        return found

    def _take_in(self, layers: LayerSource, image: ImageInArchive, *, pulled: bool = False) -> ImageInfo:
        target = self._dir / "images" / image.digest
        if not target.exists():
            self._unpack(layers, image, target)
        for name in image.names:
            self._bind(canonical_name(name), image.digest, pulled=pulled)
        found = self._read(image.digest)
        if found is None:
            raise ImageFault("InvalidArchive", "the image vanished while it was loaded")
        return found.info

    def _unpack(self, layers: LayerSource, image: ImageInArchive, target: Path) -> None:
        workspace = self._open_workspace()
        work = workspace.path
        try:
            (work / "rootfs").mkdir(mode=0o755)
            budget = self._limits.budget()
            for number, layer in enumerate(image.layers):
                with layers.layer(layer, image.diff_id(number)) as stream:
                    unpack_layer(stream, str(work / "rootfs"), budget)
            (work / "image.json").write_text(json.dumps({"config": image.config, "size": budget.used_bytes}))
            target.parent.mkdir(exist_ok=True)
            self._publish(work, target)
        finally:
            workspace.close()

    def _open_workspace(self) -> _Workspace:
        self._sweep()
        return _Workspace(Path(tempfile.mkdtemp(dir=self._incoming())))

    def _publish(self, work: Path, target: Path) -> None:
        """Another load may have been first: then its result is as good as ours."""
        try:
            os.rename(work, target)
        except OSError:
            if not target.exists():
                raise

    def _bind(self, name: str, digest: str, *, pulled: bool) -> None:
        directory = self._dir / "names"
        directory.mkdir(exist_ok=True)
        path = directory / hashlib.sha256(name.encode()).hexdigest()
        fresh = self._incoming() / f"{path.name}.{os.getpid()}"
        fresh.write_text(json.dumps({"name": name, "digest": digest, "pulled": pulled}))
        fresh.rename(path)

    def _remove(self, image_id: str) -> None:
        digest = image_id.removeprefix("sha256:")
        for name, bound in self._bindings().items():
            if bound["digest"] == digest:
                (self._dir / "names" / hashlib.sha256(name.encode()).hexdigest()).unlink(missing_ok=True)
        if not digest.isalnum() or not (self._dir / "images" / digest).is_dir():
            return
        self._incoming().mkdir(parents=True, exist_ok=True)
        grave = Path(tempfile.mkdtemp(dir=self._incoming()))
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._dir / "images" / digest, grave / "image")
        shutil.rmtree(grave, ignore_errors=True)

    def _incoming(self) -> Path:
        return self._dir / "incoming"

    def _sweep(self) -> None:
        """Removes what a killed load has left: nobody holds its lock."""
        self._incoming().mkdir(parents=True, exist_ok=True)
        for entry in self._incoming().iterdir():
            if not entry.is_dir() or time.time() - entry.stat().st_mtime < _YOUNG_SECONDS:
                continue
            with contextlib.suppress(OSError):
                lock = os.open(entry, os.O_RDONLY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(entry, ignore_errors=True)
                finally:
                    os.close(lock)


def _info(digest: str, names: tuple[str, ...], data: dict[str, Any]) -> ImageInfo:
    config = (data.get("config") or {}).get("config") or {}
    env = dict(str(entry).partition("=")[::2] for entry in config.get("Env") or ())
    return ImageInfo(
        id=f"sha256:{digest}",
        names=names,
        size_bytes=int(data.get("size") or 0),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        env=env,
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        stop_signal=str(config.get("StopSignal") or ""),
        volumes=tuple(config.get("Volumes") or ()),
    )
