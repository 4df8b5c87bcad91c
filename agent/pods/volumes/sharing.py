"""Files for the group that a pod's ``fsGroup`` names: theirs to read and write, and new ones theirs, too.

Rootless with a single id nothing can be given away, and nothing has to be: everybody in the pod is the same user.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_FILE, _DIRECTORY = 0o660, 0o770 | stat.S_ISGID


def share_with(path: Path, group: int) -> None:
    """One file or directory; a symbolic link is given away, not what it leads to."""
    try:
        os.chown(path, -1, group, follow_symlinks=False)
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) | (_DIRECTORY if stat.S_ISDIR(mode) else _FILE))
    except OSError:
        pass


def share_tree(root: Path, group: int) -> None:
    """The directory with all below it, as the kubelet's SetVolumeOwnership does with fsGroupChangePolicy Always.

    ``root`` itself may be a link: whoever made the volume chose where it leads.
    """
    for directory, _, files in os.walk(root.resolve()):
        share_with(Path(directory), group)
        for name in files:
            share_with(Path(directory, name), group)
