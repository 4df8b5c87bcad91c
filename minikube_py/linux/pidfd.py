"""Process descriptors: a process that cannot be mistaken for a later one with the same number."""

from __future__ import annotations

import select
from typing import Final

from minikube_py.linux import libc

P_PIDFD: Final = 3


def pidfd_open(pid: int) -> int:
    """A descriptor of process ``pid``, close-on-exec. Raises OSError (ESRCH)."""
    return libc.syscall(libc.SYS_PIDFD_OPEN, pid, 0, operation=f"open process {pid}")


def send_signal(pidfd: int, number: int) -> None:
    """Signals the process, whichever pid namespace it is in. Raises ProcessLookupError where it has ended."""
    libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, pidfd, number, 0, 0, operation=f"send signal {number}")


def has_ended(pidfd: int) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(0))
