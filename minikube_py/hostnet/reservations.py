"""Which cluster of this user owns a port of the host.

The nodes of one cluster share a published port (SO_REUSEPORT), and the kernel lets every program of the same user join
in: a second cluster would silently take half of the first one's connections. A lock file for each port keeps them
apart; the kernel drops it with the process that holds it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path


class PortReservations:
    """The ports that one cluster holds, until it ends. All clusters of a user share ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}

    def take(self, protocol: str, host: str, port: int) -> None:
        """Reserve the port; taking it again is fine. Raises OSError (EADDRINUSE) where another cluster has it."""
        name = f"{protocol}-{host.replace(':', '_')}-{port}"
        if name in self._held:
            return
        self._make_directory()
        descriptor = None
        while descriptor is None:
            descriptor = _lock(self._directory / name)
        self._held[name] = descriptor

    def close(self) -> None:
        """Give all ports back."""
        for name, descriptor in self._held.items():
            (self._directory / name).unlink(missing_ok=True)  # while the lock is held: nobody else can have it
            os.close(descriptor)
        self._held.clear()
        try:
            self._directory.rmdir()
        except OSError:
            pass  # another cluster's ports are in it

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        status = self._directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"{self._directory} belongs to somebody else")


def _lock(path: Path) -> int | None:
    """The locked file; None where its last holder removed it between our opening and our locking it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        current = path.stat().st_ino == os.fstat(descriptor).st_ino
    except BlockingIOError:
        os.close(descriptor)
        raise OSError(errno.EADDRINUSE, f"{path.name} is published by another cluster") from None
    except FileNotFoundError:
        current = False
    if not current:
        os.close(descriptor)
        return None
    return descriptor
