"""hostPath volumes: a path of the node, checked or made as its type asks (API docs of HostPathVolumeSource)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.pods.volumes.errors import VolumeError
from minikube_py.linux.inroot import resolve

HERE: Final = Path("/")

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare_host_path(path: Path, kind: str, *, root: Path = HERE) -> Path:
    """The path, made where the type says so. Raises VolumeError where it is something else or cannot be made.

    With no type a missing path becomes a directory, as container engines make it for a bind mount. ``root`` is where
    this process sees the machine's files: an agent in a container has others of its own.
    """
    try:
        place = path if root == HERE else Path(resolve(str(root), str(path)))
        if kind == "DirectoryOrCreate" or (not kind and not place.exists()):
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif kind == "FileOrCreate" and not place.exists():
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT, 0o644))
        if kind:
            _check(path, place, kind.removesuffix("OrCreate"))
    except OSError as error:
        raise VolumeError(f"hostPath {path}: {error.strerror}") from error
    return path


def _check(path: Path, place: Path, kind: str) -> None:
    if kind not in _CHECKS:
        raise VolumeError(f"{kind} is an invalid volume type")
    matches, words = _CHECKS[kind]
    if not place.exists() or not matches(place.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {path} is not {words}")
