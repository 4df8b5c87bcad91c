"""A small image made of the host's shell and its libraries, as a ``docker save`` archive."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import subprocess
import tarfile

from agent.runtime.docker import pause

PROGRAMS = ("sh", "cat", "touch", "id", "sleep", "ls", "kill", "head", "tail", "stty", "tty", "hostname", "true")
NAME = "own:1"
_FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1234:1235::/home/web:/bin/sh\n",
    "etc/group": "root:x:0:\nweb:x:1235:\nextra:x:77:web\n",
    "own/file": "from the image\n",
}


@functools.cache
def _layer() -> bytes:
    """The programs with every library that ldd(1) names, and one that does nothing until TERM."""
    paths = [subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
             for name in PROGRAMS]  # fmt: skip
    told = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=True).stdout
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        for path, name in zip(paths, PROGRAMS, strict=True):
            tar.add(path, f"bin/{name}")
        for path in sorted(set(re.findall(r"(/\S+\.so\S*)", told))):
            tar.add(path, path.removeprefix("/"))
        for name, data in {**{key: text.encode() for key, text in _FILES.items()}, "pause": pause.elf("amd64")}.items():
            _add(tar, name, data)
        evil = tarfile.TarInfo("etc/hosts")
        evil.type, evil.linkname = tarfile.SYMTYPE, "/../../../../../../../../tmp/minik-outside"
        tar.addfile(evil)
    return buffer.getvalue()


def archive(user: str = "", *, entrypoint: tuple[str, ...] = ("/pause",), command: tuple[str, ...] = ()) -> bytes:
    """The image ``own:1``."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Cmd": list(command), "Env": ["PATH=/bin", "FROM=image"],
                   "WorkingDir": "/own", "User": user},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(_layer()).hexdigest()}"]},
    }  # fmt: skip
    data = json.dumps(config).encode()
    name = f"{hashlib.sha256(data).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry, content in {"layer.tar": _layer(), name: data, "manifest.json": manifest}.items():
            _add(tar, entry, content)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o755
    tar.addfile(info, io.BytesIO(data))
