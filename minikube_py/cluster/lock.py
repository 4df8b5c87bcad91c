"""Whose turn it is: one command at a time makes or removes a cluster, and a supervisor keeps it while it lives."""

from __future__ import annotations

import fcntl
import os

from minikube_py.cluster.paths import ClusterPaths


class AlreadyRunning(Exception):
    """A supervisor holds the cluster's lock."""


def take_lock(paths: ClusterPaths) -> int:
    """The cluster's lock as a descriptor. Raises AlreadyRunning."""
    paths.lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise AlreadyRunning(f'cluster "{paths.root.name}" is already running') from None
    return lock
