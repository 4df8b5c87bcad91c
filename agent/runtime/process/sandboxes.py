"""A sandbox inside the machine: the namespaces and files that a pod's containers share. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
from typing import NoReturn

from agent.runtime.process.forker import Forker, pause
from agent.runtime.process.model import SandboxConfig
from minikube_py.linux import mounts, namespaces, process
from minikube_py.linux.cgroups import Cgroup, Limits
from minikube_py.linux.namespaces import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
#: Agents open these descriptors by number through /proc: kept apart from the short-lived ones.
_KEPT_FROM = 512
_USUAL_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


class OwnNamespaces:
    """The machine's own namespaces, to come back to."""

    def __init__(self) -> None:
        self._fds = [namespaces.open_own(kind) for kind in ("net", "uts", "ipc")]

    def come_back(self) -> None:
        for fd in self._fds:
            namespaces.setns(fd)


class Sandbox:
    """One pod's shared part. ``fds`` are its namespaces ("net", "uts", "ipc"); closing them gives them up."""

    def __init__(self, config: SandboxConfig, directory: str, cgroup: Cgroup | None = None) -> None:
        self.config = config
        self.directory = directory
        self.cgroup = cgroup
        self.ready = False
        self.fds: dict[str, int] = {}
        self.pause_pid = 0
        self.pid_namespace = -1

    def make(self, own: OwnNamespaces, forker: Forker) -> None:
        """Raises OSError, and has then left nothing behind."""
        try:
            self._make_group()
            self._write_files()
            self._make_namespaces(own)
            if self.config.share_pid:
                self._start_pause(forker)
        except BaseException:
            self.give_up()
            self.remove_files()
            if self.cgroup is not None:
                self.cgroup.remove()
            raise
        self.ready = True

    def give_up(self) -> None:
        """Lets go of the namespaces; what still runs in them must have been killed. Safe to call twice."""
        self.ready = False
        if self.pause_pid:
            with contextlib.suppress(OSError):
                os.kill(self.pause_pid, signal.SIGKILL)
            self.pause_pid = 0
        for fd in [*self.fds.values(), *([self.pid_namespace] if self.pid_namespace >= 0 else [])]:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.fds.clear()
        self.pid_namespace = -1
        with contextlib.suppress(OSError):
            mounts.unmount(f"{self.directory}/shm")

    def limit(self, limits: Limits) -> None:
        """What all its containers may use together. Raises OSError."""
        if self.cgroup is not None:
            self.cgroup.update(limits)

    def _make_group(self) -> None:
        """The group that the pod's containers stand in, each with one of its own."""
        if self.cgroup is None:
            return
        limits = self.config.limits
        self.cgroup.create(Limits(limits.cpu_request, limits.cpu_limit, limits.memory_limit))
        self.cgroup.hand_down()

    def remove_files(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write_files(self) -> None:
        os.makedirs(f"{self.directory}/shm", exist_ok=True)
        texts = {
            "resolv.conf": self.config.resolv_conf,
            "hosts": self.config.etc_hosts or f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {self.config.hostname}\n",
            "hostname": self.config.hostname + "\n",
        }
        for name, text in texts.items():
            with open(f"{self.directory}/{name}", "w") as file:
                file.write(text)
        if self.config.host_ipc:
            mounts.bind("/dev/shm", f"{self.directory}/shm")
            return
        flags = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC
        mounts.mount("shm", f"{self.directory}/shm", "tmpfs", flags, "mode=1777,size=64m")

    def _make_namespaces(self, own: OwnNamespaces) -> None:
        """The machine steps into the fresh namespaces itself: a fork would cost ten times as much."""
        shared = self.config.host_network
        try:
            own_kinds = {"uts": CLONE_NEWUTS}
            own_kinds |= {} if shared else {"net": CLONE_NEWNET}
            own_kinds |= {} if self.config.host_ipc else {"ipc": CLONE_NEWIPC}
            namespaces.unshare(sum(own_kinds.values()))
            for kind in own_kinds:
                self.fds[kind] = _keep(namespaces.open_own(kind))
            socket.sethostname(self.config.hostname[:64])
            if not shared:
                _loopback_up()
            self._set_sysctls({} if shared else _USUAL_SYSCTLS, required=False)
            self._set_sysctls(self.config.sysctls, required=True)
        finally:
            own.come_back()

    def _set_sysctls(self, values: dict[str, str], *, required: bool) -> None:
        for name, value in values.items():
            path = "/proc/sys/" + name.replace(".", "/")
            try:
                if ".." in name:
                    raise FileNotFoundError(2, "no such sysctl")
                with open(path, "w") as file:
                    file.write(value)
            except OSError as error:
                if required:
                    raise OSError(error.errno, f"set sysctl {name}: {error.strerror}") from error

    def _start_pause(self, forker: Forker) -> None:
        def body() -> NoReturn:
            process.set_name("pause")
            process.set_title("/pause")
            process.close_range(3)
            pause()

        self.pause_pid = forker.fork_first(body)
        self.pid_namespace = os.open(f"/proc/{self.pause_pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def _keep(fd: int) -> int:
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _KEPT_FROM)
    os.close(fd)
    return high


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", b"lo", 0)
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
