"""Becoming root of a user namespace of one's own: how an ordinary user gets namespaces, veths and ports below 1024.

With newuidmap(1) and a range in /etc/subuid, containers can run as several users; without, there is one.
"""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import dataclass

from minikube_py.linux import mounts
from minikube_py.linux.namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    SubordinateIds,
    subordinate_ids,
    unshare,
    write_id_maps,
)

_ALWAYS = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC


@dataclass(frozen=True, slots=True)
class Privileges:
    """What the cluster's processes may do."""

    rootless: bool
    several_users: bool


def enter() -> Privileges:
    """Moves this (single-threaded) process into namespaces of its own; as an ordinary user it is root there.

    The network namespace stays the host's. Raises OSError.
    """
    if os.geteuid() == 0:
        unshare(_ALWAYS)
        _share_mounts()
        return Privileges(rootless=False, several_users=True)
    uid, gid = os.getuid(), os.getgid()
    ranges = subordinate_ids(pwd.getpwuid(uid).pw_name, uid)
    mapper = _Mapper(uid, gid, ranges) if ranges is not None and _helpers_installed() else None
    try:
        unshare(CLONE_NEWUSER | _ALWAYS)
        several_users = mapper is not None and mapper.map()
    finally:
        if mapper is not None:
            mapper.close()
    if not several_users:
        write_id_maps(os.getpid(), uid, gid)
    _share_mounts()
    return Privileges(rootless=True, several_users=several_users)


def _share_mounts() -> None:
    """What a part mounts is seen by the other parts and the machines, never by the host, whose own mounts come in."""
    mounts.set_propagation("/", mounts.MS_SLAVE)
    mounts.set_propagation("/", mounts.MS_SHARED)


class _Mapper:
    """A child that stays outside the new namespace, where newuidmap(1) must be run from, and runs it when told."""

    def __init__(self, uid: int, gid: int, ranges: SubordinateIds) -> None:
        parent = os.getpid()
        self._ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            os._exit(_map_when_told(theirs, parent, uid, gid, ranges))
        theirs.close()

    def map(self) -> bool:
        """Whether the ranges are mapped; if not, nothing is."""
        self._ours.send(b"1")
        return self._ours.recv(1) == b"1"

    def close(self) -> None:
        self._ours.close()
        os.waitpid(self._pid, 0)


def _map_when_told(parent: socket.socket, pid: int, uid: int, gid: int, ranges: SubordinateIds) -> int:
    if not parent.recv(1):
        return 0
    try:
        write_id_maps(pid, uid, gid, subordinate=ranges)
    except OSError:
        return 1  # the closed socket says so
    parent.send(b"1")
    return 0


def _helpers_installed() -> bool:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return all(
        any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)
        for program in ("newuidmap", "newgidmap")
    )
