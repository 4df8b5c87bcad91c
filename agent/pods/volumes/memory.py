"""emptyDir volumes with ``medium: Memory``, as large as they may be and no larger.

Where containers see what the agent mounts, a volume is a tmpfs with a size of its own. Elsewhere (an engine with mounts
of its own) it is a directory in /dev/shm, whose size nobody watches, or without that an ordinary one.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.pods.specs import pod_resources
from minikube_py.api.quantity import bytes_of
from minikube_py.api.types import Object
from minikube_py.linux import mounts

_SHARED_MEMORY = Path("/dev/shm")


def memory_size(pod: Object, source: dict[str, Any], allocatable_bytes: int) -> int:
    """The size of the volume: the least of what the node, the pod and the volume may have (kubelet's empty_dir.go)."""
    limit = source.get("sizeLimit")
    wished = (pod_resources(pod).memory_limit_bytes, None if limit is None else bytes_of(limit))
    return min([allocatable_bytes, *(size for size in wished if size)])


def make_memory_directory(path: Path, size_bytes: int, *, mounted: bool) -> None:
    """A directory in memory that ``path`` is or leads to; a tmpfs has its usual mode, 1777. Raises OSError."""
    if mounted:
        path.mkdir()
        try:
            mounts.mount("tmpfs", str(path), "tmpfs", options=f"size={size_bytes}")
            return
        except OSError:
            path.rmdir()
    if not os.access(_SHARED_MEMORY, os.W_OK):
        path.mkdir()
        return
    real = _SHARED_MEMORY / ("minik" + str(path).replace("/", "-"))
    real.mkdir(exist_ok=True)
    path.symlink_to(real)


def discard_memory_directory(path: Path) -> None:
    """Give the memory back. Harmless for an ordinary directory."""
    if path.is_mount():
        with suppress(OSError):
            mounts.unmount(str(path))
    elif path.is_symlink():
        if Path(os.readlink(path)).is_relative_to(_SHARED_MEMORY):
            shutil.rmtree(path.resolve(), ignore_errors=True)
        path.unlink()
