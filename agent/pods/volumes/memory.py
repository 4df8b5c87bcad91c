"""emptyDir volumes with ``medium: Memory``.

They live in the machine's own memory file system (/dev/shm). A tmpfs of its own, which could also limit the size, would
have to be mounted where the node's machine sees it, and the machine has a mount namespace of its own. Where there is no
/dev/shm the volume is an ordinary directory.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")


def make_memory_directory(path: Path) -> None:
    """A directory in memory that ``path`` leads to. Raises OSError."""
    if not os.access(_SHARED_MEMORY, os.W_OK):
        path.mkdir()
        return
    real = _SHARED_MEMORY / ("minik" + str(path).replace("/", "-"))
    real.mkdir(exist_ok=True)
    path.symlink_to(real)


def discard_memory_directory(path: Path) -> None:
    """Give the memory back. Harmless for an ordinary directory."""
    if path.is_symlink():
        if Path(os.readlink(path)).is_relative_to(_SHARED_MEMORY):
            shutil.rmtree(path.resolve(), ignore_errors=True)
        path.unlink()
