"""Images of a Docker engine: pulled when the policy says so, with the pod's own credentials."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agent.images.builtin import ECHO, HOST
from agent.images.model import canonical_name
from agent.runtime.docker import hosttools, pause
from agent.runtime.docker.engine import Engine, EngineFault, EngineGone
from agent.runtime.docker.home import Home
from agent.runtime.process.rootfs import HostFacts
from agent.runtime.protocol import ImageFault, ImageInfo
from minikube_py.api.types import Object


class DockerImages:
    """The ImageStore of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ensure(self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = ()) -> ImageInfo:
        """The image. Raises ImageFault: ErrImagePull, ErrImageNeverPull, InvalidImageName."""
        name = image if image.startswith("sha256:") else canonical_name(image)
        found = await self._find(image)
        if pull_policy == "Never" and found is None:
            raise ImageFault("ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never')
        if found is None or pull_policy == "Always":
            await self._pull(name, pull_secrets, have=found is not None)
            found = await self._find(image)
        if found is None:
            raise ImageFault("ErrImagePull", f"the engine has pulled {name} and does not have it")
        return found

    async def list_images(self) -> list[ImageInfo]:
        """Ids, names and sizes."""
        listed = (_listed(entry) for entry in await self._engine.get("/images/json"))
        return [info for info in listed if info.names and pause.NAME not in info.names]

    async def remove(self, image_id: str) -> None:
        """Harmless where it is gone; an image in use stays."""
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

    async def _pull(self, name: str, secrets: Sequence[Object], *, have: bool) -> None:
        faults = []
        for credentials in [*credentials_for(name, secrets), None]:
            try:
                await self._pull_as(name, credentials)
                return
            except (EngineFault, ImageFault) as fault:
                faults.append(fault.message)
            except EngineGone:
                raise
        if not (have and name.startswith(("minik.local/", "localhost/"))):
            raise ImageFault("ErrImagePull", faults[0])

    async def _pull_as(self, name: str, credentials: Mapping[str, str] | None) -> None:
        headers = {}
        if credentials is not None:
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(json.dumps(dict(credentials)).encode()).decode()
        async with self._engine.stream("POST", "/images/create", headers=headers, fromImage=name) as body:
            async for line in body:
                if error := _json(line).get("error"):
                    raise ImageFault("ErrImagePull", str(error))


def credentials_for(image: str, secrets: Sequence[Object]) -> list[dict[str, str]]:
    """What the pull secrets (kubernetes.io/dockerconfigjson, …/dockercfg) hold for the image's registry."""
    registry = image.partition("/")[0]
    found = []
    for secret in secrets:
        for server, entry in _auths(secret).items():
            host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
            if host == registry or (registry == "docker.io" and host.endswith("docker.io")):
                found.append({**_login(entry), "serveraddress": server})
    return found


def _auths(secret: Object) -> dict[str, Any]:
    data = secret.get("data") or {}
    for key, nested in ((".dockerconfigjson", True), (".dockercfg", False)):
        try:
            document = json.loads(base64.b64decode(data.get(key) or ""))
        except (ValueError, binascii.Error):
            continue
        auths = document.get("auths") if nested else document
        return {server: entry for server, entry in (auths or {}).items() if isinstance(entry, dict)}
    return {}


def _login(entry: Mapping[str, Any]) -> dict[str, str]:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not user and entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except (ValueError, binascii.Error):
            pass
    return {"username": user, "password": password}


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
        stop_signal=str(config.get("StopSignal") or ""),
        volumes=tuple(config.get("Volumes") or ()),
    )


def _json(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
