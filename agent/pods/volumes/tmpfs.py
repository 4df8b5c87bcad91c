"""emptyDir volumes with ``medium: Memory``.

The volume is a tmpfs mounted in the mount namespace that the agent shares with its node's machine, so that containers
can bind it. Where mounting is not allowed the machine's own memory file system (/dev/shm) holds it, without a limit.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from minikube_py.api.quantity import bytes_of
from minikube_py.linux.mounts import MS_NODEV, MS_NOSUID, mount, unmount

_SHARED_MEMORY = Path("/dev/shm")


def make_tmpfs(path: Path, size_limit: str | None) -> None:
    """A directory in memory at ``path``. ``size_limit`` is a quantity of bytes; None takes the kernel's default."""
    path.mkdir()
    options = "mode=0777" + (f",size={bytes_of(size_limit)}" if size_limit else "")
    try:
        mount("tmpfs", str(path), "tmpfs", MS_NOSUID | MS_NODEV, options)
    except OSError:
        path.rmdir()
        real = _SHARED_MEMORY / _shared_name(path)
        real.mkdir(exist_ok=True)
        path.symlink_to(real)


def discard_tmpfs(path: Path) -> None:
    """Give the memory back. Harmless for an ordinary directory."""
    if path.is_symlink():
        if Path(os.readlink(path)).is_relative_to(_SHARED_MEMORY):
            shutil.rmtree(path.resolve(), ignore_errors=True)
        path.unlink()
    elif os.path.ismount(path):
        unmount(str(path))


def _shared_name(path: Path) -> str:
    return "minik" + str(path).replace("/", "-")
