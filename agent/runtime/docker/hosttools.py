"""``minik.local/host`` and ``minik.local/echo`` on a Docker engine: a skeleton made in code, filled by bind mounts.

The image holds only directories, links and a small /etc; the host's programs are bound into it read-only, as in the
embedded runtime. So the examples run on an engine without a registry, and its images cost a few kilobytes.

An agent that itself runs in a container of the engine has no host to show: there both are the agent's own image under
another command (``dockerfile``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

import agent
import minikube_py
from agent.images.builtin import ECHO, HOST
from agent.runtime.process.rootfs import DIRECTORIES, HostFacts

#: Where the echo server's own packages are shown inside the container.
PACKAGES: Final = "/.minik"
CONFIG_VARIABLE: Final = "MINIK_ECHO"
_BOOT: Final = (
    f"import sys; sys.path.insert(0, {PACKAGES!r}); from agent.runtime.process.echomain import main; sys.exit(main())"
)


def archive(facts: HostFacts, architecture: str) -> bytes:
    """A ``docker save`` archive of both images, the same bytes for the same host."""
    layer = _skeleton(facts)
    entries: dict[str, bytes] = {"layer.tar": layer}
    manifest = []
    for name in (HOST, ECHO):
        data = _config(layer, architecture, echo=name == ECHO)
        path = f"{hashlib.sha256(data).hexdigest()}.json"
        entries[path] = data
        manifest.append({"Config": path, "RepoTags": [name], "Layers": ["layer.tar"]})
    entries["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in entries.items():
            _file(tar, path, data)
    return buffer.getvalue()


def image_ids(facts: HostFacts, architecture: str) -> dict[str, str]:
    """The ids that the engine gives them."""
    layer = _skeleton(facts)
    return {
        name: f"sha256:{hashlib.sha256(_config(layer, architecture, echo=name == ECHO)).hexdigest()}"
        for name in (HOST, ECHO)
    }


def mounts(facts: HostFacts) -> list[dict[str, Any]]:
    """The binds that fill the skeleton."""
    shown = {f"/{name}": f"/{name}" for name in facts.directories}
    shown |= {f"/etc/{name}": f"/etc/{name}" for name in facts.etc_binds}
    for package in (agent, minikube_py):
        directory = Path(str(package.__file__)).resolve().parent
        shown[str(directory)] = f"{PACKAGES}/{directory.name}"
    return [
        {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True,
         "BindOptions": {"Propagation": "rprivate"}}
        for source, target in shown.items()
    ]  # fmt: skip


def _config(layer: bytes, architecture: str, *, echo: bool) -> bytes:
    command = {"Entrypoint": [_python(), "-I", "-S", "-c", _BOOT]} if echo else {"Cmd": ["/bin/sh"]}
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {**command, "Labels": {"minik.kind": "host-tools"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    return json.dumps(config, sort_keys=True).encode()


def build_context(own_image: str, *, echo: bool) -> bytes:
    """The tar stream from which the engine builds a built-in image on the agent's own."""
    command = f"ENTRYPOINT {json.dumps(_own_echo())}" if echo else 'ENTRYPOINT []\nCMD ["/bin/sh"]'
    text = f"FROM {own_image}\nUSER 0\nHEALTHCHECK NONE\nLABEL minik.kind=host-tools\n{command}\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _file(tar, "Dockerfile", text.encode())
    return buffer.getvalue()


def _own_echo() -> list[str]:
    packages = str(Path(str(agent.__file__)).resolve().parent.parent)
    return [_python(), "-I", "-S", "-c", _BOOT.replace(repr(PACKAGES), repr(packages))]


def _python() -> str:
    """The interpreter below a virtual environment: the environment itself may lie where containers cannot see it."""
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def _skeleton(facts: HostFacts) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        binds = [f"etc/{name}" for name in facts.etc_binds]
        for name in [*DIRECTORIES, *facts.directories, *binds]:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            info.mode = 0o1777 if name.endswith("tmp") else 0o755
            tar.addfile(info)
        for name, target in {**facts.links, "var/run": "/run"}.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        for name, data in sorted(facts.etc_files.items()):
            _file(tar, f"etc/{name}", data)
    return buffer.getvalue()


def _file(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))
