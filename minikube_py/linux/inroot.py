"""Paths as a process inside another root would see them, so that no symbolic link leads out of it."""

from __future__ import annotations

import errno
import os
from typing import Final

_LINK_LIMIT: Final = 40


def resolve(root: str, path: str) -> str:
    """``path`` within ``root``, its symbolic links followed inside ``root``; missing parts are taken literally.

    Nobody else may change the tree meanwhile. Raises OSError (ELOOP).
    """
    pending = _parts(path)
    inside: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del inside[-1:]
            continue
        here = "/".join([root, *inside, part])
        if not os.path.islink(here):
            inside.append(part)
            continue
        links += 1
        if links > _LINK_LIMIT:
            raise OSError(errno.ELOOP, f"too many links in {path}")
        target = os.readlink(here)
        if target.startswith("/"):
            inside.clear()
        pending += _parts(target)
    return "/".join([root, *inside])


def resolve_parent(root: str, path: str) -> str:
    """Like ``resolve``, but the last part itself is not followed if it is a link."""
    head, _, tail = path.rstrip("/").rpartition("/")
    return f"{resolve(root, head)}/{tail}" if tail not in ("", ".", "..") else resolve(root, path)


def _parts(path: str) -> list[str]:
    """The parts, last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
