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
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from agent.images.archive import Archive, ArchiveFault, ImageInArchive
from agent.images.builtin import builtin_images
from agent.images.layers import Limits, unpack_layer
from agent.images.model import LocalImage, canonical_name
from agent.runtime.protocol import ImageFault, ImageInfo
from minikube_py.api.types import Object

#: A directory this young may not have been locked yet by whoever has made it.
_YOUNG_SECONDS = 60.0


class LocalImages:
    """The ImageStore of the embedded runtime. Nothing is pulled: what is not here has to be loaded."""

    def __init__(self, image_dir: Path, *, limits: Limits | None = None) -> None:
        self._dir = image_dir
        self._limits = limits or Limits()
        self._builtin = {image.info.names[0]: image for image in builtin_images()}

    async def ensure(
        self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = ()  # noqa: ARG002
    ) -> ImageInfo:  # fmt: skip
        """The image. ``Always`` is taken as ``IfNotPresent``: there is no registry to ask. Raises ImageFault."""
        found = await asyncio.to_thread(self.find, image)
        if found is not None:
            return found.info
        if pull_policy == "Never":
            raise ImageFault("ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never')
        raise ImageFault(
            "ErrImagePull",
            f"there is no registry here. Load it with `minik image load FILE` (made by `docker save {image}`), "
            "or use minik.local/echo, minik.local/host or --runtime docker",
        )

    async def list_images(self) -> list[ImageInfo]:
        return [image.info for image in await asyncio.to_thread(self._all)]

    async def remove(self, image_id: str) -> None:
        await asyncio.to_thread(self._remove, image_id)

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
        if "@sha256:" in name:
            return self._read(name.partition("@sha256:")[2])
        return self._read(self._bindings().get(name, ""))

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
        names = tuple(sorted(name for name, bound in self._bindings().items() if bound == digest))
        return LocalImage(_info(digest, names, data), rootfs=str(path / "rootfs"))

    def _bindings(self) -> dict[str, str]:
        found: dict[str, str] = {}
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._dir / "names"):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    data = json.loads(Path(entry.path).read_bytes())
                    found[data["name"]] = data["digest"]
        return found

    def _take_in(self, archive: Archive, image: ImageInArchive) -> ImageInfo:
        target = self._dir / "images" / image.digest
        if not target.exists():
            self._unpack(archive, image, target)
        for name in image.names:
            self._bind(canonical_name(name), image.digest)
        found = self._read(image.digest)
        if found is None:
            raise ImageFault("InvalidArchive", "the image vanished while it was loaded")
        return found.info

    def _unpack(self, archive: Archive, image: ImageInArchive, target: Path) -> None:
        work = Path(tempfile.mkdtemp(dir=self._incoming()))
        lock = os.open(work, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (work / "rootfs").mkdir(mode=0o755)
            budget = self._limits.budget()
            for layer in image.layers:
                with archive.layer(layer) as stream:
                    unpack_layer(stream, str(work / "rootfs"), budget)
            (work / "image.json").write_text(json.dumps({"config": image.config, "size": budget.used_bytes}))
            target.parent.mkdir(exist_ok=True)
            self._publish(work, target)
        finally:
            os.close(lock)
            shutil.rmtree(work, ignore_errors=True)

    def _publish(self, work: Path, target: Path) -> None:
        """Another load may have been first: then its result is as good as ours."""
        try:
            os.rename(work, target)
        except OSError:
            if not target.exists():
                raise

    def _bind(self, name: str, digest: str) -> None:
        directory = self._dir / "names"
        directory.mkdir(exist_ok=True)
        path = directory / hashlib.sha256(name.encode()).hexdigest()
        fresh = self._incoming() / f"{path.name}.{os.getpid()}"
        fresh.write_text(json.dumps({"name": name, "digest": digest}))
        fresh.rename(path)

    def _remove(self, image_id: str) -> None:
        digest = image_id.removeprefix("sha256:")
        for name, bound in self._bindings().items():
            if bound == digest:
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
