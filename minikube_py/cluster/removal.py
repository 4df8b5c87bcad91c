"""Removing a cluster's files, however they are protected."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove ``path`` and all below it; nothing there is fine. Raises OSError where something will not go.

    Overlay file systems leave directories with mode 000 behind, and containers may write read-only ones.
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        if path.exists():  # something below went away while we looked: look again
            remove_tree(path)
    except PermissionError:
        _unlock(path)
        shutil.rmtree(path)


def _unlock(path: Path) -> None:
    path.chmod(stat.S_IRWXU)
    for folder, names, _ in os.walk(path):  # from the top: each is opened before it is listed
        for name in names:
            below = os.path.join(folder, name)
            if not os.path.islink(below):
                os.chmod(below, stat.S_IRWXU)
