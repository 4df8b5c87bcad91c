"""Image archives made by hand, in the layout of `docker save`: no registry, no engine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

BUSYBOX = Path("/bin/busybox")
APPLETS = ("cat", "echo", "env", "id", "ls", "nc", "nslookup", "sh", "sleep", "wget")


def busybox_archive(
    path: Path, tag: str, config: Mapping[str, Any], files: Mapping[str, bytes] = MappingProxyType({})
) -> None:
    """An image with ``busybox_layer``."""
    save_archive(path, tag, busybox_layer(files), config)


def busybox_layer(files: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """Debian's static busybox, links for its usual applets and more ``files``."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        _add(archive, "bin/busybox", BUSYBOX.read_bytes(), mode=0o755)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for name, data in files.items():
            _add(archive, name, data)
    return layer.getvalue()


def save_archive(path: Path, tag: str, layer: bytes, config: Mapping[str, Any]) -> None:
    """A `docker save` archive of one image with one layer."""
    digest = hashlib.sha256(layer).hexdigest()
    described = {"architecture": "amd64", "os": "linux", "config": config}
    body = json.dumps({**described, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}).encode()
    name = f"{hashlib.sha256(body).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, name, body)
        _add(archive, f"{digest}/layer.tar", layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
