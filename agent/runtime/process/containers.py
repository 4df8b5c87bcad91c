"""A container inside the machine: forked, watched, its output read, its end remembered. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from agent.runtime.process import child
from agent.runtime.process.forker import Forker
from agent.runtime.process.loop import Loop
from agent.runtime.process.model import ContainerConfig
from agent.runtime.process.output import Output
from agent.runtime.process.rootfs import HostFacts
from agent.runtime.process.wire import close_all, receive_packet
from minikube_py.linux import pidfd
from minikube_py.linux.cgroups import Cgroup, Limits

_LONGEST_MESSAGE = 4096
_LONGEST_STATUS = 65536
CREATED, STARTING, RUNNING, EXITED = "created", "starting", "running", "exited"

#: Told (error, exit code) when it is known whether a command runs: ("", 0) if it does.
Started = Callable[[str, int], None]


@dataclass(slots=True)
class Host:
    """What every container of this machine needs."""

    loop: Loop
    forker: Forker
    facts: HostFacts
    cgroup: Cgroup | None
    emptying: list[Cgroup] = field(default_factory=list)

    def bury(self) -> None:
        """Removes the groups of ended containers in which something was still dying."""
        self.emptying = [group for group in self.emptying if not group.remove()]


class StatusChannel:
    """The machine's end of a child's status channel: an error, a terminal, or the silence that means success."""

    def __init__(self, loop: Loop, done: Started, take_terminal: Callable[[int], None]) -> None:
        self._loop = loop
        self._done = done
        self._take_terminal = take_terminal
        self._own, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._own.setblocking(False)

    def watch(self) -> None:
        """To be called in the parent, after the fork."""
        self.theirs.close()
        self._loop.add(self._own.fileno(), self.read)

    def read(self) -> None:
        """Takes in all that was said. Safe to call after the end."""
        while self._own.fileno() >= 0:
            try:
                data, fds = receive_packet(self._own, _LONGEST_STATUS, 1)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if fds:
                self._take_terminal(fds[0])
                close_all(fds[1:])
                continue
            self.close()
            fault = json.loads(data) if data else {}
            self._done(str(fault.get("error", "")), int(fault.get("code", 0)))

    def close(self) -> None:
        if self._own.fileno() >= 0:
            self._loop.remove(self._own.fileno())
            self._own.close()


class Container:
    """One container, from its creation to its removal."""

    def __init__(self, config: ContainerConfig, directory: str, host: Host, group: Cgroup | None = None) -> None:
        self.config = config
        self.directory = directory
        self.state = CREATED
        self.pid = 0
        self.pidfd = -1
        self.started_at = self.finished_at = ""
        self.exit_code: int | None = None
        self.reason = self.message = ""
        self.output: Output | None = None
        self.stdin = -1
        self.terminal = -1
        self.cgroup = group.child(config.id) if group else None
        self._host = host
        self._channel: StatusChannel | None = None
        self._started: list[Started] = []
        self._fault: tuple[str, int] | None = None
        self._shares_pids = False
        self._mount_namespace = ""

    def make_files(self) -> None:
        """Raises OSError."""
        os.makedirs(f"{self.directory}/rootfs", exist_ok=True)
        with open(f"{self.directory}/termination-log", "w") as file:
            os.fchmod(file.fileno(), 0o666)

    def start(self, around: child.Surroundings, pid_namespace: int | None, started: Started) -> None:
        """Forks it; ``started`` is told later. ``pid_namespace`` None makes a fresh one, -1 stays in our own.

        Raises OSError where it cannot even be forked.
        """
        self._prepare_cgroup()
        ours, theirs = self._pipes()
        channel = StatusChannel(self._host.loop, self._is_started, self._take_terminal)
        status = child.Status(channel.theirs)

        def body() -> NoReturn:
            child.guarded(
                status,
                lambda: child.run_container(
                    self.config, self.directory, around, facts=self._host.facts, stdio=theirs, status=status,
                    join_cgroup=self._join_cgroup,
                ),
            )  # fmt: skip

        try:
            self.pid = fork_where(self._host.forker, pid_namespace, body)
        except OSError:
            channel.theirs.close()
            channel.close()
            close_all(ours)
            raise
        finally:
            close_all([fd for fd in (theirs.stdin, theirs.stdout, theirs.stderr) if fd >= 0])
        self.pidfd = pidfd.pidfd_open(self.pid)
        self._shares_pids = pid_namespace is not None
        self.state = STARTING
        self._started.append(started)
        self._channel = channel
        self._open_output(ours)
        channel.watch()

    def signal(self, number: int) -> None:
        """Harmless where it does not run."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                pidfd.send_signal(self.pidfd, number)

    def exited(self, status: int) -> None:
        """The machine has reaped it with wait ``status``."""
        if self._channel is not None:
            self._channel.read()
        if self._shares_pids:
            self._kill_rest()
        if self.output is not None:
            self.output.close()
            self.output = None
        close_all([fd for fd in (self.pidfd, self.stdin, self.terminal) if fd >= 0])
        self.pidfd = self.stdin = self.terminal = -1
        self.pid = 0
        code = os.waitstatus_to_exitcode(status)
        self._finish(128 - code if code < 0 else code)

    def abandon(self) -> None:
        """It was never started and never will be."""
        self._finish(137)

    def remove_traces(self) -> None:
        """The control group; files are the agent's to remove, which has time for it."""
        if self.cgroup is not None and not self.cgroup.remove():
            self._host.emptying.append(self.cgroup)

    def status(self) -> dict[str, Any]:
        """What ``list`` tells."""
        config = self.config
        return {
            "id": config.id, "sandbox_id": config.sandbox_id, "name": config.name, "attempt": config.attempt,
            "image": config.image, "image_id": config.image_id, "created_at": config.created_at,
            "state": CREATED if self.state == STARTING else self.state, "started_at": self.started_at,
            "finished_at": self.finished_at, "exit_code": self.exit_code, "reason": self.reason,
            "message": self.message, "log_path": config.log_path, "pid": self.pid, "tty": config.tty,
            "stop_signal": config.stop_signal,
        }  # fmt: skip

    def close_stdin(self) -> None:
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def _prepare_cgroup(self) -> None:
        if self.cgroup is None:
            return
        limits = self.config.limits
        try:
            self.cgroup.create(Limits(limits.cpu_request, limits.cpu_limit, limits.memory_limit))
        except OSError:
            self.cgroup.remove()
            raise

    def limit(self, limits: Limits) -> None:
        """Other limits from now on. Raises OSError."""
        if self.cgroup is not None and self.pid:
            self.cgroup.update(limits)

    def _join_cgroup(self) -> None:
        if self.cgroup is not None:
            self.cgroup.join()

    def _pipes(self) -> tuple[list[int], child.Stdio]:
        """Our ends (stdin, stdout, stderr; a missing one is -1) and the child's."""
        if self.config.tty:
            return [-1, -1, -1], child.Stdio(tty=True)
        stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC) if self.config.stdin else (-1, -1)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        return [stdin_write, out_read, err_read], child.Stdio(stdin_read, out_write, err_write)

    def _open_output(self, ours: Sequence[int]) -> None:
        self.output = Output(self._host.loop, self.config.log_path)
        self.stdin = ours[0]
        for fd, stream in zip(ours[1:], ("stdout", "stderr"), strict=True):
            if fd >= 0:
                self.output.add(fd, stream)

    def _take_terminal(self, fd: int) -> None:
        self.terminal = os.dup(fd)
        if self.output is not None:
            self.output.add(fd, "stdout")

    def _is_started(self, error: str, code: int) -> None:
        if error:
            self._fault = (error, code)  # told when the child has been reaped
            return
        self.state = RUNNING
        self.started_at = now()
        self._mount_namespace = _mount_namespace(self.pid)
        self._tell("", 0)

    def _kill_rest(self) -> None:
        """Where it is not pid 1 its children outlive it: they are the processes that see its file systems."""
        for entry in os.listdir("/proc") if self._mount_namespace else ():
            if entry.isdigit() and _mount_namespace(int(entry)) == self._mount_namespace:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(entry), signal.SIGKILL)

    def _finish(self, code: int) -> None:
        error, fault_code = self._fault or ("", 0)
        self.state = EXITED
        self.finished_at = now()
        self.started_at = self.started_at or self.finished_at
        self.exit_code = fault_code if error else code
        killed = self.cgroup is not None and code == 128 + signal.SIGKILL and self.cgroup.oom_kills() > 0
        self.reason = "OOMKilled" if killed else "StartError" if error else "Error" if code else "Completed"
        self.message = error or self._last_words()
        self._tell(error or "the container ended before it ran", self.exit_code)

    def _tell(self, error: str, code: int) -> None:
        started, self._started = self._started, []
        for listener in started:
            listener(error, code)

    def _last_words(self) -> str:
        try:
            with open(f"{self.directory}/termination-log", "rb") as file:
                return file.read(_LONGEST_MESSAGE).decode(errors="replace")
        except OSError:
            return ""


def fork_where(forker: Forker, pid_namespace: int | None, body: Callable[[], NoReturn]) -> int:
    """Forks into a fresh pid namespace (None), our own (-1), or the one behind a descriptor."""
    if pid_namespace is None:
        return forker.fork_first(body)
    return forker.fork(body) if pid_namespace < 0 else forker.fork_into(pid_namespace, body)


def _mount_namespace(pid: int) -> str:
    """What identifies the mount namespace of a process; "" where it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def now() -> str:
    return datetime.now(UTC).isoformat()
