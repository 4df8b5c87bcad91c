"""A real Docker engine for the tests, started by them where Debian's docker.io is installed."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minikube_py.linux import pidfd


@dataclass
class PrivateEngine:
    """A dockerd of the test run's own: no bridge, no iptables, nothing shared with an engine of the host.

    It is nobody's child, for it lives longer than the test that needed it first. With ``own_network`` it has a network
    namespace of its own, in which its networks and published ports are.
    """

    directory: Path
    own_network: bool = False
    pid: int = -1
    pidfd: int = -1

    @property
    def socket(self) -> Path:
        return self.directory / "docker.sock"

    def admit(self, user: str) -> None:
        """Lets an ordinary user in, as one of the group `docker` would be."""
        for directory in (self.directory, self.directory.parent):
            directory.chmod(directory.stat().st_mode | 0o711)
        shutil.chown(self.socket, group=user)

    def start(self) -> None:
        command = ["dockerd", "--data-root", f"{self.directory}/data", "--exec-root", f"{self.directory}/exec",
                   "-H", f"unix://{self.socket}", "-p", f"{self.directory}/pid", "--iptables=false", "--bridge=none",
                   "--shutdown-timeout", "2"]  # fmt: skip
        if self.own_network:
            command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        for left in ("pid", "exec/containerd/containerd.pid"):  # their processes may be zombies of a lazy init
            (self.directory / left).unlink(missing_ok=True)
        with open(self.directory / "log", "ab") as log:
            shell = ["sh", "-c", '"$@" >/dev/null & echo $!', "sh", *command]
            told = subprocess.run(shell, stdout=subprocess.PIPE, stderr=log, check=True)
        self.pid = int(told.stdout)
        self.pidfd = pidfd.pidfd_open(self.pid)
        self._until_it_answers()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """With SIGKILL its containerd, a child, goes on."""
        with contextlib.suppress(ProcessLookupError):
            pidfd.send_signal(self.pidfd, number)
        select.select([self.pidfd], [], [], 30)
        os.close(self.pidfd)

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.socket(socket.AF_UNIX) as channel:
                    channel.connect(str(self.socket))
                    channel.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                    if b"200 OK" in channel.recv(100):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"dockerd does not answer: {(self.directory / 'log').read_text()[-2000:]}")

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Runs Docker's own client and returns what it prints."""
        command = ["docker", "-H", f"unix://{self.socket}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} exited {done.returncode}: {done.stderr}")
        return done.stdout


def private_engine(*, own_network: bool = False, disk: str = "") -> Iterator[PrivateEngine]:
    """The body of a session's fixture. ``disk``: its data have a file system of this size ("64m") of their own. Skips
    where there is no engine to be had."""
    if os.geteuid() != 0 or "MINIK_TEST_ROOTLESS" in os.environ or shutil.which("dockerd") is None:
        pytest.skip("needs root and dockerd")
    directory = Path(tempfile.mkdtemp(prefix="minik-engine-", dir="/var/tmp"))
    engine = PrivateEngine(directory, own_network)
    if disk:
        (directory / "data").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "none", f"{directory}/data"], check=True)
    engine.start()
    yield engine
    engine.stop()
    # dockerd mounts its data directory onto itself, once in every life; one that was killed leaves its mount behind.
    while subprocess.run(["umount", f"{directory}/data"], capture_output=True).returncode == 0:
        pass
    shutil.rmtree(directory, ignore_errors=True)
