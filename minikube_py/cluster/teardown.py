"""Taking a cluster down from a command, whatever state it is in."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from minikube_py.cluster import kubeconfig
from minikube_py.cluster.control import ClusterNotRunning, ask
from minikube_py.cluster.leftovers import remove_after_a_crash
from minikube_py.cluster.lock import AlreadyRunning, take_lock
from minikube_py.cluster.paths import ClusterPaths

#: An orderly end takes well under a second; a supervisor that needs longer than this is stuck and is killed.
_PATIENCE_SECONDS = 15.0


class KubeconfigKept(Exception):
    """A kubeconfig of the user's could not be looked through, or not be changed."""


def take_down(name: str) -> bool:
    """Ends the cluster and removes everything it left. False where there was none.

    Raises OSError, NoEngine; KubeconfigKept at last, where nothing is left but the entries in the user's kubeconfig.
    """
    paths = ClusterPaths.of(name)
    existed = paths.root.exists()
    lock = _end_supervisor(paths)
    try:
        remove_after_a_crash(paths)
        paths.lock.unlink()
    finally:
        os.close(lock)
    _remove_empty_parents(paths)
    _forget_context(name)
    return existed


def _forget_context(name: str) -> None:
    faults = []
    for path in kubeconfig.user_kubeconfigs():
        try:
            kubeconfig.remove_from(path, name)
        except (kubeconfig.KubeconfigBusy, ValueError, OSError) as error:
            faults.append(str(error))
    if faults:
        raise KubeconfigKept("; ".join(faults))


def _end_supervisor(paths: ClusterPaths) -> int:
    """Asks the supervisor to end, sees to it that it does, and returns the cluster's lock."""
    with suppress(ClusterNotRunning):
        _wait_for(int(ask(paths.control_socket, "shutdown", remove=True)["pid"]))
    while True:
        try:
            return take_lock(paths)
        except AlreadyRunning:  # it hears nobody: it is on its way up, on its way down, or stuck
            _wait_for(int(paths.lock.read_text() or 0))


def _wait_for(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # it is gone already
        return
    try:
        if not select.select([descriptor], [], [], _PATIENCE_SECONDS)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [])
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _remove_empty_parents(paths: ClusterPaths) -> None:
    for folder in (paths.root.parent, paths.root.parent.parent):
        try:
            folder.rmdir()
        except OSError:
            return
