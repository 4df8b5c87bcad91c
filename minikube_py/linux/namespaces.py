"""Making and entering Linux namespaces.

A network namespace belongs to a *thread*, so whoever wants a socket in another one borrows a :class:`NetnsThread`
and gets the socket from there: a socket stays in the namespace it was made in, whichever thread uses it later.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from minikube_py.linux import libc

CLONE_NEWTIME: Final = 0x00000080
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

_NAMES = {
    CLONE_NEWTIME: "time",
    CLONE_NEWNS: "mount",
    CLONE_NEWCGROUP: "cgroup",
    CLONE_NEWUTS: "uts",
    CLONE_NEWIPC: "ipc",
    CLONE_NEWUSER: "user",
    CLONE_NEWPID: "pid",
    CLONE_NEWNET: "network",
}

Result = TypeVar("Result")


def names(flags: int) -> str:
    """``flags`` in words, for messages: "user, network"."""
    return ", ".join(word for flag, word in _NAMES.items() if flags & flag)


def unshare(flags: int) -> None:
    """Moves the calling thread into fresh namespaces (a fresh pid namespace takes effect for its next child).

    Raises OSError: EPERM without privilege, ENOSPC where ``user.max_*_namespaces`` is reached,
    EINVAL for a user namespace in a process with several threads.
    """
    libc.call("unshare", flags, operation=f"unshare the {names(flags)} namespace")


def setns(fd: int, flags: int = 0) -> None:
    """Moves the calling thread into the namespace behind ``fd`` (or the namespaces ``flags`` of a pidfd)."""
    libc.call("setns", fd, flags, operation=f"enter the {names(flags) or 'given'} namespace")


def open_own(kind: str) -> int:
    """A descriptor of the calling thread's own namespace of ``kind`` ("net", "uts", "ipc", "mnt", "pid", "user")."""
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


class NetnsThread:
    """A thread that lives in one network namespace and runs there what it is handed.

    ``fd`` None makes a fresh namespace. The descriptor is only read during construction. Raises OSError.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="netns", daemon=True)
        self._thread.start()
        try:
            self.run(lambda: unshare(CLONE_NEWNET) if fd is None else setns(fd, CLONE_NEWNET))
        except BaseException:
            self.close()
            raise

    def run(self, job: Callable[[], Result]) -> Result:
        """Runs ``job`` in the namespace, waits, and gives back its result or raises its exception."""
        done = threading.Event()
        results: list[Result] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                results.append(job())
            except BaseException as error:
                errors.append(error)
            done.set()

        self._jobs.put(work)
        done.wait()
        if errors:
            raise errors.pop()
        return results.pop()

    def close(self) -> None:
        """Ends the thread; sockets made in it live on."""
        self._jobs.put(None)
        self._thread.join()

    def __enter__(self) -> NetnsThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while job := self._jobs.get():
            job()
            del job


def in_netns(fd: int, job: Callable[[], Result]) -> Result:
    """Runs ``job`` once inside the network namespace ``fd`` and gives back its result."""
    with NetnsThread(fd) as thread:
        return thread.run(job)


def new_netns() -> int:
    """A descriptor of a fresh network namespace, which lives as long as something refers to it. Raises OSError."""
    with NetnsThread() as thread:
        return thread.run(lambda: open_own("net"))


@dataclass(frozen=True, slots=True)
class SubordinateIds:
    """The ranges (first, count) of /etc/subuid and /etc/subgid that newuidmap(1) lets a user map besides its own id."""

    uids: tuple[int, int]
    gids: tuple[int, int]


def write_id_maps(pid: int, uid: int, gid: int, *, subordinate: SubordinateIds | None = None) -> None:
    """Makes ``uid`` and ``gid`` root in the fresh user namespace of process ``pid``.

    ``uid`` and ``gid`` are as the *parent* namespace sees them: read them before unshare. Without ``subordinate`` the
    mapping has that single id, which a process may write for itself; setgroups(2) is then denied, as the kernel
    demands. With it, newuidmap(1) and newgidmap(1) map 1..n to the subordinate range; they must be run from outside.
    Raises OSError: EPERM where a security module forbids it.
    """
    if subordinate is not None:
        _helper("newuidmap", pid, uid, subordinate.uids)
        _helper("newgidmap", pid, gid, subordinate.gids)
        return
    _write(pid, "setgroups", "deny")
    _write(pid, "uid_map", f"0 {uid} 1")
    _write(pid, "gid_map", f"0 {gid} 1")


def subordinate_ids(user: str, uid: int) -> SubordinateIds | None:
    """This user's first ranges in /etc/subuid and /etc/subgid, or None where it has none."""
    uids = _first_range("/etc/subuid", user, uid)
    gids = _first_range("/etc/subgid", user, uid)
    return SubordinateIds(uids, gids) if uids and gids else None


def _first_range(path: str, user: str, uid: int) -> tuple[int, int] | None:
    try:
        with open(path) as lines:
            entries = [line.strip().split(":") for line in lines]
    except OSError:
        return None
    for entry in entries:
        if len(entry) == 3 and entry[0] in (user, str(uid)) and entry[1].isdigit() and entry[2].isdigit():
            return int(entry[1]), int(entry[2])
    return None


def _helper(program: str, pid: int, own: int, extra: tuple[int, int]) -> None:
    arguments = [program, str(pid), "0", str(own), "1", "1", str(extra[0]), str(extra[1])]
    try:
        result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise OSError(missing.errno, f"{program} is not installed") from missing
    if result.returncode:
        raise PermissionError(1, f"{program}: {result.stderr.strip()}")


def _write(pid: int, name: str, text: str) -> None:
    try:
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)
    except OSError as error:
        raise OSError(error.errno, f"write {name} of process {pid}: {error.strerror}") from error
