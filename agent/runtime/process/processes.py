"""Further processes in running containers: what exec starts. Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from agent.runtime.process import child
from agent.runtime.process.containers import Container, Host, StatusChannel, fork_where
from agent.runtime.process.model import ExecConfig
from agent.runtime.process.wire import close_all
from minikube_py.linux import pidfd

#: Told (error, exit code, descriptors) once: an error, or stdin (if asked for), stdout and stderr, or the terminal.
Running = Callable[[str, int, list[int]], None]


class ExecProcess:
    """One command in a container. ``ended`` is told the exit code."""

    def __init__(self, config: ExecConfig, *, running: Running, ended: Callable[[int], None]) -> None:
        self.config = config
        self.pid = 0
        self._pidfd = -1
        self._running = running
        self._ended = ended
        self._ours: list[int] = []
        self._channel: StatusChannel | None = None
        self._fault: tuple[str, int] | None = None
        self._told = False

    def start(self, container: Container, host: Host) -> None:
        """Raises OSError where it cannot be forked."""
        theirs = self._pipes()
        channel = StatusChannel(host.loop, self._is_started, self._ours.append)
        status = child.Status(channel.theirs)
        namespace = os.open(f"/proc/{container.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

        def join_cgroup() -> None:
            if container.cgroup is not None:
                container.cgroup.join()

        def body() -> NoReturn:
            child.guarded(
                status,
                lambda: child.run_exec(
                    self.config, container.config, container.pidfd, facts=host.facts, stdio=theirs, status=status,
                    join_cgroup=join_cgroup,
                ),
            )  # fmt: skip

        try:
            self.pid = fork_where(host.forker, namespace, body)
        except OSError:
            channel.theirs.close()
            channel.close()
            close_all(self._ours)
            raise
        finally:
            close_all([namespace, *(fd for fd in (theirs.stdin, theirs.stdout, theirs.stderr) if fd >= 0)])
        self._pidfd = pidfd.pidfd_open(self.pid)
        self._channel = channel
        channel.watch()

    def kill(self) -> None:
        """The client is gone: end it with its whole session."""
        if self._pidfd < 0:
            return
        with contextlib.suppress(OSError):
            pidfd.send_signal(self._pidfd, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)

    def exited(self, status: int) -> None:
        """The machine has reaped it."""
        if self._channel is not None:
            self._channel.read()
        close_all([self._pidfd])
        self._pidfd = -1
        code = os.waitstatus_to_exitcode(status)
        if self._fault is not None:
            self._tell(*self._fault)
            return
        if not self._told:
            self._tell("the command ended before it ran", 128)
            return
        self._ended(128 - code if code < 0 else code)

    def _pipes(self) -> child.Stdio:
        if self.config.tty:
            return child.Stdio(tty=True)
        stdin_read = -1
        if self.config.stdin:
            stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
            self._ours.append(stdin_write)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        self._ours += [out_read, err_read]
        return child.Stdio(stdin_read, out_write, err_write)

    def _is_started(self, error: str, code: int) -> None:
        if error:
            self._fault = (error, code)
        else:
            self._tell("", 0)

    def _tell(self, error: str, code: int) -> None:
        if self._told:
            return
        self._told = True
        try:
            self._running(error, code, [] if error else self._ours)
        finally:
            close_all(self._ours)
            self._ours = []
