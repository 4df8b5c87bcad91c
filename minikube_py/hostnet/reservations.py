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
    """The ports that one cluster holds. All clusters of a user share ``directory``. A port's name is a file's name.

    ``owner`` is the cluster's name: the others are told it.
    """

    def __init__(self, directory: Path, *, owner: str = "") -> None:
        self._directory = directory
        self._owner = owner
        self._held: dict[str, tuple[int, int]] = {}

    def take(self, port: str) -> None:
        """Reserve the port once more. Raises OSError (EADDRINUSE) where another cluster has it."""
        descriptor, holders = self._held.get(port, (-1, 0))
        if not holders:
            self._make_directory()
        while descriptor < 0:
            descriptor = _lock(self._directory / port)
        if not holders:
            os.pwrite(descriptor, self._owner.encode(), 0)
        self._held[port] = descriptor, holders + 1

    def give_back(self, port: str) -> None:
        """One holder less; with the last one the port is free."""
        descriptor, holders = self._held[port]
        if holders > 1:
            self._held[port] = descriptor, holders - 1
            return
        del self._held[port]
        self._free(port, descriptor)

    def close(self) -> None:
        """Give all ports back."""
        while self._held:
            port, (descriptor, _) = self._held.popitem()
            self._free(port, descriptor)

    def _free(self, port: str, descriptor: int) -> None:
        (self._directory / port).unlink(missing_ok=True)  # while the lock is held: nobody else can have it
        os.close(descriptor)
        if not self._held:
            try:
                self._directory.rmdir()
            except OSError:
                pass  # another cluster's ports are in it

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        status = self._directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"{self._directory} belongs to somebody else")


def _lock(path: Path) -> int:
    """The locked file; -1 where its last holder removed it, or the directory, before we had the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        current = path.stat().st_ino == os.fstat(descriptor).st_ino
    except BlockingIOError:
        owner = os.pread(descriptor, 256, 0).decode(errors="replace")
        os.close(descriptor)
        whose = f"cluster {owner!r}" if owner else "another cluster"
        raise OSError(errno.EADDRINUSE, f"the port is published by {whose}") from None
    except FileNotFoundError:
        current = False
    if not current:
        os.close(descriptor)
        return -1
    return descriptor
