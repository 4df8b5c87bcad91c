"""The pause image, made in code: a static program of a few hundred bytes that holds a pod's namespaces.

It blocks all signals and takes them from rt_sigtimedwait: it exits at TERM and INT and reaps at the others (a bare
pause() as pid 1 would ignore TERM). No registry and no compiler are needed, and the image's id is the same everywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from typing import Final

NAME: Final = "minik.local/pause:1"

_CODE: Final = {
    "amd64": (
        "b80e00000031ff488d354a00000031d26a08415a0f05b880000000488d3d3600000031f631d26a08415a0f0583f80f741d83"
        "f8027418b83d0000006aff5f31f66a015a4531d20f0585c07feaebc831ffb8e70000000f0590ffffffffffffffff"
    ),
    "arm64": (
        "e81080d2000080d241030010020080d2030180d2010000d4281180d2a0020010010080d2020080d2030080d2010000d41f3c"
        "0071800100541f08007140010054882080d200008092010080d2220080d2030080d2010000d41f0000712cffff54eeffff17"
        "000080d2c80b80d2010000d4ffffffffffffffff"
    ),
}
_MACHINE: Final = {"amd64": 62, "arm64": 183}
_BASE: Final = 0x400000
_HEADERS: Final = 64 + 2 * 56
_STACK: Final = 0x6474E551


def elf(architecture: str) -> bytes:
    """The program. Raises KeyError for an architecture that nobody has written it for."""
    code = bytes.fromhex(_CODE[architecture])
    size = _HEADERS + len(code)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    entry = _BASE + _HEADERS
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, _MACHINE[architecture], 1, entry, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    stack = struct.pack("<IIQQQQQQ", _STACK, 6, 0, 0, 0, 0, 0, 16)
    return header + load + stack + code


def archive(architecture: str) -> bytes:
    """A ``docker save`` archive of the image, the same bytes every time."""
    layer = _tar({"pause": elf(architecture)}, mode=0o755)
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": ["/pause"], "Labels": {"minik.kind": "pause"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    data = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(data).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]).encode()
    return _tar({name: data, "layer.tar": layer, "manifest.json": manifest}, mode=0o644)


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
