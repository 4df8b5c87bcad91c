"""What this process holds open."""

from __future__ import annotations

import os


def open_descriptors(*kinds: str) -> set[str]:
    """The targets of open descriptors whose names begin with one of ``kinds``, such as ``socket:`` or ``net:``."""
    found = set()
    for entry in os.scandir("/proc/self/fd"):
        try:
            target = os.readlink(entry.path)
        except OSError:
            continue  # the scan's own
        if target.startswith(kinds):
            found.add(target)
    return found
