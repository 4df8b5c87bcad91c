"""Images of a Docker engine: pulled when the policy says so, with the pod's own credentials."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.images.access import ImageAccess
from agent.images.builtin import ECHO, HOST
from agent.images.credentials import Credentials, credentials_for
from agent.images.model import canonical_name
from agent.images.store import LocalImages
from agent.runtime.docker import hosttools, pause
from agent.runtime.docker.collector import PulledImages
from agent.runtime.docker.engine import Engine, EngineFault
from agent.runtime.docker.home import Home
from agent.runtime.process.rootfs import HostFacts
from agent.runtime.protocol import ImageFault, ImageInfo, Progress, unwatched
from minikube_py.api.types import Object

#: A registry that says nothing for this long has hung up without saying so.
_SILENCE_SECONDS = 60.0


class DockerImages:
    """The ImageStore of an engine."""

    def __init__(
        self,
        engine: Engine,
        pulled: PulledImages | None = None,
        make_builtin: Callable[[], Awaitable[None]] | None = None,
        files: LocalImages | None = None,
        access: ImageAccess | None = None,
    ) -> None:
        """``files`` is where images are unpacked whose files are wanted: an engine keeps its own to itself. ``access``
        are the records of who may use what was pulled: None for everybody."""
        self._access = access
        self._engine = engine
        self._pulled = pulled
        self._make_builtin = make_builtin
        self._files = files
        self._unpacking = asyncio.Lock()
        self._unpacked: dict[str, str] = {}

    async def ensure(
        self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = (), on_progress: Progress = unwatched
    ) -> ImageInfo:
        """The image. Raises ImageFault: ErrImagePull, ErrImageNeverPull, InvalidImageName."""
        name = image if image.startswith("sha256:") else canonical_name(image)
        found = await self._find(image)
        if found is None and name in (HOST, ECHO) and self._make_builtin is not None:
            await self._make_builtin()  # somebody has cleaned the engine up
            return await self.ensure(image, pull_policy="Never")
        if found is not None and name in (HOST, ECHO):
            return found  # no registry has them
        if pull_policy == "Never" and found is None:
            raise ImageFault("ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never')
        if found is None or (pull_policy == "Always" and found.pullable):
            found = await self._fetch(image, name, pull_secrets, on_progress, before=found)
        if found is None:
            raise ImageFault("ErrImagePull", f"the engine has pulled {name} and does not have it")
        return found

    async def _fetch(
        self, image: str, name: str, secrets: Sequence[Object], on_progress: Progress, *, before: ImageInfo | None
    ) -> ImageInfo | None:
        """Pulls it and leaves the records that pulled images have."""
        with self._access.pulling(name) if self._access is not None else contextlib.nullcontext():
            user = await self._pull(name, secrets, on_progress)
            found = await self._find(image)
            if found is None:
                return None
            if before is None and self._pulled is not None:
                await asyncio.to_thread(self._pulled.add, found, name)
            if self._access is not None:
                await asyncio.to_thread(self._access.record, found.id, name, user)
        return found

    async def accessible(self, image: str, secrets: Sequence[Object]) -> bool:
        """Whether a pod with these pull secrets may use the image without asking its registry."""
        access = self._access
        if access is None or image.startswith("sha256:") or access.unused:
            return True
        try:
            name, found = canonical_name(image), await self._find(image)
        except ImageFault:
            return True  # it will be refused for its name
        return found is None or await asyncio.to_thread(access.allows, found.id, name, secrets)

    async def directory(self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = ()) -> Path:
        """The image's files, unpacked once more. Raises ImageFault, also for a built-in image, which has none."""
        found = await self.ensure(image, pull_policy=pull_policy, pull_secrets=pull_secrets)
        if self._files is None or {HOST, ECHO} & set(found.names):
            raise ImageFault("ErrImagePull", f"image {image!r} has no files that could be a volume")
        async with self._unpacking:
            unpacked = self._unpacked.get(found.id, found.id)
            if await asyncio.to_thread(self._files.find, unpacked) is None:
                self._unpacked[found.id] = unpacked = await self._unpack(found.id, self._files)
        return await self._files.directory(unpacked, pull_policy="Never")

    async def _unpack(self, image_id: str, files: LocalImages) -> str:
        """Its id there: not the same where the engine's ids are those of manifests (containerd's image store)."""
        try:
            async with self._engine.stream("GET", f"/images/{image_id}/get") as archive:
                loaded = await files.load(archive.iter_any())
        except OSError as error:
            raise ImageFault("ErrImagePull", f"cannot unpack {image_id}: {error.strerror or error}") from error
        return loaded[0].id

    async def list_images(self) -> list[ImageInfo]:
        """Ids, names and sizes."""
        listed = (_listed(entry) for entry in await self._engine.get("/images/json"))
        return [info for info in listed if info.names and pause.NAME not in info.names]

    async def remove(self, image_id: str) -> None:
        """Harmless where it is gone; an image in use stays."""
        if self._files is not None:
            await self._files.remove(self._unpacked.pop(image_id, image_id))
        if self._access is not None:
            await asyncio.to_thread(self._access.forget, image_id)
        try:
            await self._engine.delete(f"/images/{image_id}", force=True)
        except EngineFault as fault:
            if fault.status not in (404, 409):
                raise

    async def load(self, chunks: AsyncIterator[bytes]) -> list[ImageInfo]:
        """Takes in a ``docker save`` archive. Raises ImageFault (InvalidArchive)."""
        names = []
        headers = {"Content-Type": "application/x-tar"}
        async with self._engine.stream("POST", "/images/load", data=chunks, headers=headers, quiet=True) as body:
            async for line in body:
                told = _json(line)
                if "error" in told:
                    raise ImageFault("InvalidArchive", str(told["error"]))
                text = str(told.get("stream") or "").strip()
                if text.startswith(("Loaded image: ", "Loaded image ID: ")):
                    names.append(text.partition(": ")[2])
        return [info for name in names if (info := await self._find(name)) is not None]

    async def ensure_builtin(self, facts: HostFacts, architecture: str, home: Home) -> str:
        """The pause image and those of the host's tools, loaded where they are not there; the pause image's name."""
        if await self._find(pause.NAME) is None:
            try:
                data = pause.archive(architecture)
            except KeyError:
                raise ImageFault("ErrImagePull", f"there is no pause program for {architecture}") from None
            await self._load_bytes(data)
        if home.image:
            for name in (HOST, ECHO):
                await self._build(name, hosttools.build_context(home.image, echo=name == ECHO))
            return pause.NAME
        for name, image_id in (await asyncio.to_thread(hosttools.image_ids, facts, architecture)).items():
            found = await self._find(name)
            if found is None or found.id != image_id:
                await self._load_bytes(await asyncio.to_thread(hosttools.archive, facts, architecture))
                break
        return pause.NAME

    async def _build(self, name: str, context: bytes) -> None:
        """Raises ImageFault. The engine finds what it has built before."""
        headers = {"Content-Type": "application/x-tar"}
        async with self._engine.stream(
            "POST", "/build", data=context, headers=headers, t=name, q=True, rm=True
        ) as body:
            async for line in body:
                if error := _json(line).get("error"):
                    raise ImageFault("ErrImagePull", f"{name}: {error}")

    async def _load_bytes(self, data: bytes) -> None:
        async def once() -> AsyncIterator[bytes]:
            yield data

        await self.load(once())

    async def _find(self, name: str) -> ImageInfo | None:
        try:
            return _info(await self._engine.get(f"/images/{name}/json"))
        except EngineFault as fault:
            if fault.status == 404:
                return None
            raise

    async def _pull(self, name: str, secrets: Sequence[Object], on_progress: Progress) -> Credentials | None:
        """With the credentials that fit, one after the other; with none where there are none, as the kubelet does.

        Returns those that worked.
        """
        faults = []
        users: Sequence[Credentials | None] = credentials_for(name, secrets) or [None]
        for credentials in users:
            try:
                await self._pull_as(name, credentials, on_progress)
                return credentials
            except (EngineFault, ImageFault) as fault:
                faults.append(fault.message)
        raise ImageFault("ErrImagePull", "; ".join(dict.fromkeys(faults)))

    async def _pull_as(self, name: str, credentials: Credentials | None, on_progress: Progress) -> None:
        headers = {}
        if credentials is not None:
            told = {"username": credentials.username, "password": credentials.password,
                    "serveraddress": credentials.server}  # fmt: skip
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
        async with self._engine.stream("POST", "/images/create", headers=headers, fromImage=name) as body:
            layers: dict[str, tuple[int, int]] = {}
            while line := await _before(_SILENCE_SECONDS, body.readline()):
                entry = _json(line)
                if error := entry.get("error"):
                    raise ImageFault("ErrImagePull", str(error))
                detail: dict[str, Any] = entry.get("progressDetail") or {}
                if entry.get("status") == "Downloading" and detail.get("total"):
                    layers[str(entry.get("id"))] = int(detail.get("current") or 0), int(detail["total"])
                    on_progress(sum(one for one, _ in layers.values()), sum(total for _, total in layers.values()))


async def _before(seconds: float, line: Coroutine[Any, Any, bytes]) -> bytes:
    """A registry that is silent for too long fails the pull: the kubelet's deadline for progress."""
    try:
        async with asyncio.timeout(seconds):
            return await line
    except TimeoutError:
        raise ImageFault("ErrImagePull", f"the pull has made no progress for {seconds:.0f} seconds") from None


def _listed(entry: Mapping[str, Any]) -> ImageInfo:
    """An entry of ``/images/json``."""
    names = [*(entry.get("RepoTags") or ()), *(entry.get("RepoDigests") or ())]
    return ImageInfo(
        id=entry["Id"],
        names=tuple(name for name in names if "<none>" not in name),
        size_bytes=int(entry.get("Size") or 0),
    )


def _info(data: Mapping[str, Any]) -> ImageInfo:
    config = data.get("Config") or {}
    return ImageInfo(
        id=data["Id"],
        names=tuple(data.get("RepoTags") or ()),
        size_bytes=int(data.get("Size") or 0),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        env=dict(str(entry).partition("=")[::2] for entry in config.get("Env") or ()),
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        pullable=bool(data.get("RepoDigests")),
        stop_signal=str(config.get("StopSignal") or ""),
        volumes=tuple(config.get("Volumes") or ()),
    )


def _json(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
