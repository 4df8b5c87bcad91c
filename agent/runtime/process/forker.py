"""Forking into the right pid namespace. Standard library only; the caller has one thread."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from minikube_py.linux import namespaces
from minikube_py.linux.namespaces import CLONE_NEWPID


class Forker:
    """Forks children of this process into this, a fresh, or a given pid namespace."""

    def __init__(self) -> None:
        self._own = namespaces.open_own("pid")

    def fork(self, body: Callable[[], NoReturn]) -> int:
        """A child in our own pid namespace."""
        return _fork(body)

    def fork_first(self, body: Callable[[], NoReturn]) -> int:
        """A child that is pid 1 of a fresh pid namespace. Raises OSError."""
        namespaces.unshare(CLONE_NEWPID)
        return self._fork_and_return(body)

    def fork_into(self, pid_namespace: int, body: Callable[[], NoReturn]) -> int:
        """A child in the pid namespace behind a descriptor. Raises OSError, also where its pid 1 is gone (ENOMEM)."""
        namespaces.setns(pid_namespace, CLONE_NEWPID)
        return self._fork_and_return(body)

    def _fork_and_return(self, body: Callable[[], NoReturn]) -> int:
        try:
            return _fork(body)
        finally:
            namespaces.setns(self._own, CLONE_NEWPID)


def _fork(body: Callable[[], NoReturn]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        body()
    finally:
        os._exit(255)


def pause() -> NoReturn:
    """Pid 1 of a pod that shares its process namespace: reaps, and ends at TERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()
        except InterruptedError:
            continue
