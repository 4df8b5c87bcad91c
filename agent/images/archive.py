"""``docker save`` and OCI archives, read without unpacking them. Whatever is wrong with one raises ArchiveFault."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Final

from agent.images.layerfile import ArchiveFault, open_layer

__all__ = ["Archive", "ArchiveFault", "ImageInArchive"]

_LARGEST_JSON: Final = 16 << 20
_MOST_LAYERS: Final = 1000
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True, slots=True)
class ImageInArchive:
    """One image: its config's digest, its names, and the members that hold its layers, lowest first."""

    digest: str
    config: dict[str, Any]
    layers: tuple[str, ...]
    names: tuple[str, ...] = field(default=())

    def diff_id(self, number: int) -> str:
        """The digest of layer ``number``, uncompressed; "" where the config does not tell them."""
        told = (self.config.get("rootfs") or {}).get("diff_ids") or ()
        if told and len(told) != len(self.layers):
            raise ArchiveFault(f"the image tells {len(told)} digests of {len(self.layers)} layers")
        return str(told[number]) if told else ""


class Archive:
    """An archive over a seekable file. Use as a context manager."""

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._tar = tarfile.open(fileobj=file, mode="r:*")  # noqa: SIM115 - closed by __exit__
            self._members = {member.name.removeprefix("./"): member for member in self._tar}
        except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise ArchiveFault(f"this is no image archive: {' '.join(str(error).split())}") from error

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def images(self) -> list[ImageInArchive]:
        """Every image in it."""
        try:
            if "manifest.json" in self._members:
                return [self._docker(entry) for entry in self._json("manifest.json")]
            if "index.json" in self._members:
                return self._oci(self._json("index.json"), depth=0)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ArchiveFault(f"the archive's manifest is malformed: {error}") from error
        raise ArchiveFault("this is no image archive: it has neither manifest.json nor index.json")

    def layer(self, name: str, diff_id: str) -> AbstractContextManager[tarfile.TarFile]:
        """The layer as a tar stream, decompressed, checked at its end."""
        return self._open_layer(name, diff_id)

    @contextmanager
    def _open_layer(self, name: str, diff_id: str) -> Iterator[tarfile.TarFile]:
        with self._file(name) as raw, open_layer(raw, name=name, diff_id=diff_id) as layer:
            yield layer

    def _docker(self, entry: dict[str, Any]) -> ImageInArchive:
        layers = tuple(entry["Layers"])
        if len(layers) > _MOST_LAYERS:
            raise ArchiveFault(f"an image of {len(layers)} layers")
        for layer in layers:
            self._member(layer)
        digest, config = self._config(entry["Config"])
        return ImageInArchive(digest, config, layers, tuple(entry.get("RepoTags") or ()))

    def _oci(self, index: dict[str, Any], *, depth: int, names: tuple[str, ...] = ()) -> list[ImageInArchive]:
        found: list[ImageInArchive] = []
        for entry in index["manifests"]:
            own = names + _names(entry.get("annotations") or {})
            if entry.get("platform", {}).get("os") == "unknown":
                continue  # a build attestation
            path = _blob(entry["digest"])
            if entry.get("mediaType") in _INDEXES and depth < 3:
                found += self._oci(self._json(path), depth=depth + 1, names=own)
            elif path in self._members:
                found.append(self._oci_image(self._json(path), own))
        return found

    def _oci_image(self, manifest: dict[str, Any], names: tuple[str, ...]) -> ImageInArchive:
        layers = tuple(_blob(layer["digest"]) for layer in manifest["layers"])
        for layer in layers:
            self._member(layer)
        digest, config = self._config(_blob(manifest["config"]["digest"]))
        return ImageInArchive(digest, config, layers, names)

    def _config(self, name: str) -> tuple[str, dict[str, Any]]:
        data = self._bytes(name)
        config = _parse(name, data)
        if not isinstance(config, dict):
            raise ArchiveFault(f"{name} is no JSON object")
        return hashlib.sha256(data).hexdigest(), config

    def _json(self, name: str) -> Any:
        return _parse(name, self._bytes(name))

    def _bytes(self, name: str) -> bytes:
        if self._member(name).size > _LARGEST_JSON:
            raise ArchiveFault(f"{name} is larger than any manifest")
        with self._file(name) as file:
            data = file.read()
        _, algorithm, digest = name.split("/") if name.count("/") == 2 else ("", "", "")
        if algorithm == "sha256" and hashlib.sha256(data).hexdigest() != digest:
            raise ArchiveFault(f"{name} is not what its name says")
        return data

    def _file(self, name: str) -> IO[bytes]:
        file = self._tar.extractfile(self._member(name))
        if file is None:
            raise ArchiveFault(f"{name} is no file")
        return file

    def _member(self, name: str) -> tarfile.TarInfo:
        member = self._members.get(name)
        if member is not None and member.issym():  # docker save shares layers by links
            target = f"{name.rpartition('/')[0]}/{member.linkname}"
            member = self._members.get(_flatten(target))
        if member is None or not member.isfile():
            raise ArchiveFault(f"the archive lacks {name}")
        return member


def _parse(name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ArchiveFault(f"{name} is no JSON: {error}") from error


def _names(annotations: dict[str, str]) -> tuple[str, ...]:
    full = annotations.get("io.containerd.image.name")
    short = annotations.get("org.opencontainers.image.ref.name")
    name = full or (short if short and ("/" in short or ":" in short) else None)
    return (name,) if name else ()


def _blob(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    if not algorithm.isalnum() or not value.isalnum():
        raise ArchiveFault(f"{digest!r} is no digest")
    return f"blobs/{algorithm}/{value}"


def _flatten(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
