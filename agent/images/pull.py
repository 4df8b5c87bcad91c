"""Pulling an image into a directory: the manifest for this machine, its config, its layers. Nothing is unpacked."""

from __future__ import annotations

import asyncio
import errno
import platform
import tarfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

import aiohttp
import orjson

from agent.images.archive import ImageInArchive
from agent.images.credentials import Credentials, credentials_for
from agent.images.dialing import HostConnector, HostDialer
from agent.images.layerfile import open_layer
from agent.images.model import Reference
from agent.images.registry import INDEXES, Refused, Registry
from agent.runtime.protocol import ImageFault, Progress
from minikube_py.api.types import Object

#: A registry that says nothing for this long has hung up without saying so (the kubelet's default progress deadline).
_SILENCE_SECONDS: Final = 60.0
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_MOST_INDEXES: Final = 3


@dataclass(frozen=True, slots=True)
class PulledLayers:
    """The layers of one pull, as files named after their digests."""

    directory: Path

    def layer(self, name: str, diff_id: str) -> AbstractContextManager[tarfile.TarFile]:
        return self._open(name, diff_id)

    @contextmanager
    def _open(self, name: str, diff_id: str) -> Any:
        with self.file(name, "rb") as raw, open_layer(raw, name=name, diff_id=diff_id) as layer:
            yield layer

    def file(self, digest: str, mode: str) -> IO[Any]:
        return open(self.directory / digest.replace(":", "-"), mode)


class Pulled(NamedTuple):
    """The image, the digest that was asked for, and whose credentials got it (None: nobody's)."""

    image: ImageInArchive
    digest: str
    user: Credentials | None


class Pull(Protocol):
    """How a store gets what it has not. ``have`` tells whether the image with a config digest is there already."""

    async def pull(
        self, reference: Reference, secrets: Sequence[Object], directory: Path, *, have: Callable[[str], bool],
        on_progress: Progress,
    ) -> Pulled:  # fmt: skip
        """The image, its layers in ``directory`` where they were missing. Raises ImageFault."""
        ...


class RegistryPull:
    """Pull over the network of the machine."""

    def __init__(self, dialer: HostDialer) -> None:
        self._dialer = dialer

    async def pull(
        self, reference: Reference, secrets: Sequence[Object], directory: Path, *, have: Callable[[str], bool],
        on_progress: Progress,
    ) -> Pulled:  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_SECONDS)
        async with aiohttp.ClientSession(connector=HostConnector(self._dialer), timeout=timeout) as session:
            try:
                return await _as_anybody(session, reference, secrets, PulledLayers(directory), have, on_progress)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ImageFault("ErrImagePull", str(error) or f"{reference.host} does not answer") from error
            except OSError as error:
                words = "no space left on device" if error.errno == errno.ENOSPC else str(error)
                raise ImageFault("ErrImagePull", words) from error


async def _as_anybody(
    session: aiohttp.ClientSession, reference: Reference, secrets: Sequence[Object], layers: PulledLayers,
    have: Callable[[str], bool], on_progress: Progress,
) -> Pulled:  # fmt: skip
    """With the credentials that fit, one after the other; with none where there are none, as the kubelet does."""
    name = f"{reference.host}/{reference.repository}:{reference.tag}"
    refused: Refused | None = None
    users: Sequence[Credentials | None] = credentials_for(name, secrets) or [None]
    for credentials in users:
        try:
            registry = Registry(session, reference, credentials)
            return Pulled(*await _pull(registry, reference, layers, have, on_progress), credentials)
        except Refused as fault:
            refused = refused or fault
    assert refused is not None
    raise refused


async def _pull(
    registry: Registry, reference: Reference, layers: PulledLayers, have: Callable[[str], bool], on_progress: Progress
) -> tuple[ImageInArchive, str]:
    digest, kind, manifest = await registry.manifest(reference.wanted)
    asked = digest
    for _ in range(_MOST_INDEXES):
        if kind not in INDEXES and "manifests" not in manifest:
            break
        _, kind, manifest = await registry.manifest(for_this_machine(manifest, platform.machine()))
    try:
        config_digest = str(manifest["config"]["digest"])
        wanted = [(str(each["digest"]), int(each["size"])) for each in manifest["layers"]]
        if not all(each.startswith("sha256:") for each, _ in wanted):
            raise ValueError("a digest of another kind than sha256")
        config = orjson.loads(await registry.document(config_digest))
    except (KeyError, TypeError, ValueError) as error:
        raise ImageFault("ErrImagePull", f"the registry's manifest is malformed: {error}") from error
    image = ImageInArchive(config_digest.removeprefix("sha256:"), config, tuple(each for each, _ in wanted))
    if not have(image.digest):
        await _download(registry, dict(wanted), layers, on_progress)
    return image, asked


async def _download(registry: Registry, wanted: dict[str, int], layers: PulledLayers, on_progress: Progress) -> None:
    arrived, total = 0, sum(wanted.values())
    for digest in wanted:
        with await asyncio.to_thread(layers.file, digest, "wb") as file:
            async for piece in registry.blob(digest):
                await asyncio.to_thread(file.write, piece)
                arrived += len(piece)
                on_progress(arrived, total)


def for_this_machine(index: dict[str, Any], machine: str) -> str:
    """The digest of the manifest for linux on ``machine`` (as uname(1) calls it). Raises ImageFault."""
    architecture = _ARCHITECTURES.get(machine, machine)
    for entry in index.get("manifests") or ():
        told = entry.get("platform") or {}
        if (told.get("os"), told.get("architecture")) == ("linux", architecture):
            return str(entry["digest"])
    raise ImageFault("ErrImagePull", f"no matching manifest for linux/{architecture} in the manifest list entries")
