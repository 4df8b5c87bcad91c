"""What a forked child does on its way to being a container's process: namespaces, root, identity, terminal, exec.

Runs between fork and exec, so it never returns: it execs, serves the echo, or says on ``status`` why not and exits.
``status`` is one end of a SOCK_SEQPACKET pair: its closing tells the machine that the command runs. Standard library
only.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import stat
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from agent.runtime.process import echo, identity, rootfs
from agent.runtime.process.model import ContainerConfig, ExecConfig
from minikube_py.linux import mounts, namespaces, process

NOT_EXECUTABLE = 126
NOT_FOUND = 127
_TIOCGPTN = 0x80045430
_TIOCSPTLCK = 0x40045431


class StartFault(Exception):
    """The command cannot run. ``code`` is the exit code a shell would give: 126, 127, or 128 for anything else."""

    def __init__(self, message: str, code: int = 128) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Stdio:
    """Descriptors for 0, 1 and 2; with ``tty`` they come from a terminal made inside the container."""

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False


@dataclass(slots=True)
class Surroundings:
    """The sandbox a container is started in: descriptors of its namespaces, and its files."""

    namespaces: Sequence[int]
    hostname: str
    pod_directory: str


class Status:
    """The child's end of the status channel. Its number changes while descriptors are put in order."""

    def __init__(self, channel: socket.socket) -> None:
        self.fd = channel.fileno()

    def move(self, number: int) -> None:
        os.dup2(self.fd, number, inheritable=False)
        self.fd = number

    def lift(self) -> None:
        """Out of the way of 0, 1 and 2."""
        self.fd = fcntl.fcntl(self.fd, fcntl.F_DUPFD_CLOEXEC, 100)

    def close(self) -> None:
        """Says that the command runs."""
        os.close(self.fd)

    def send(self, message: dict[str, object], fds: Sequence[int] = ()) -> None:
        with socket.socket(fileno=os.dup(self.fd)) as channel:
            socket.send_fds(channel, [json.dumps(message).encode()], list(fds))


def guarded(status: Status, body: Callable[[], int]) -> NoReturn:
    """Runs ``body`` in a fresh child and ends the process with its result; a fault goes to ``status``."""
    code = 255
    try:
        code = body()
    except StartFault as fault:
        code = _report(status, str(fault), fault.code)
    except identity.UnknownUser as fault:
        code = _report(status, str(fault), 128)
    except (OSError, ValueError) as fault:
        code = _report(status, str(fault), 128)
    except BaseException as fault:
        code = _report(status, f"{type(fault).__name__}: {fault}", 128)
    finally:
        os._exit(code)


def run_container(
    config: ContainerConfig,
    directory: str,
    around: Surroundings,
    *,
    facts: rootfs.HostFacts,
    stdio: Stdio,
    status: Status,
    join_cgroup: Callable[[], None],
) -> int:
    """Becomes the container's process. Returns (the exit code) only for the built-in echo."""
    os.environ.clear()
    status.lift()
    join_cgroup()
    _set_oom_score(config.oom_score)
    for fd in around.namespaces:
        namespaces.setns(fd)
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWCGROUP)
    root = rootfs.build(config, directory, around.pod_directory, facts)
    mounts.change_root(root)
    os.umask(0o022)
    os.setsid()
    _take_stdio(stdio, status)
    who = identity.resolve_user(config.user)
    env = identity.environment(config.env, home=who.home, hostname=around.hostname, tty=config.tty)
    _own_stdio(who)
    _enter_directory(config.cwd)
    identity.limit_files(facts.soft_files)
    identity.take_on(who, config.user, many_ids=facts.many_ids)
    process.close_range(4)
    if config.echo is not None and not config.argv:
        process.set_name("echo")
        process.set_title("/echo")
        return echo.serve(config.echo, env, ready=status.close)
    return execute(config.argv, env)


def run_exec(
    config: ExecConfig,
    container: ContainerConfig,
    pidfd: int,
    *,
    facts: rootfs.HostFacts,
    stdio: Stdio,
    status: Status,
    join_cgroup: Callable[[], None],
) -> NoReturn:
    """Becomes a further process in the container behind ``pidfd``. The caller has chosen the pid namespace already."""
    os.environ.clear()
    status.lift()
    join_cgroup()
    _set_oom_score(container.oom_score)
    namespaces.setns(
        pidfd,
        namespaces.CLONE_NEWNS | namespaces.CLONE_NEWNET | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC
        | namespaces.CLONE_NEWCGROUP,
    )  # fmt: skip
    os.setsid()
    _take_stdio(stdio, status)
    who = identity.resolve_user(container.user)
    env = identity.environment(container.env, home=who.home, hostname=os.uname().nodename, tty=config.tty)
    _own_stdio(who)
    _enter_directory(container.cwd)
    identity.limit_files(facts.soft_files)
    identity.take_on(who, container.user, many_ids=facts.many_ids)
    process.close_range(4)
    execute(config.argv, env)


def _set_oom_score(score: int | None) -> None:
    """How soon the kernel kills it for want of memory. Lowering it takes CAP_SYS_RESOURCE on the host."""
    if score is not None:
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(score))


def execute(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """execve with PATH of ``env``, its failures worded as runc words them. Raises StartFault."""
    if not argv or not argv[0]:
        raise StartFault("no command specified", NOT_FOUND)
    path = _find(argv[0], env.get("PATH", identity.DEFAULT_PATH))
    process.reset_signals()
    try:
        os.execve(path, list(argv), dict(env))
    except OSError as error:
        raise _cannot_exec(argv[0], error) from None


def _find(program: str, search: str) -> str:
    if "/" in program:
        try:
            mode = os.stat(program).st_mode
        except OSError as error:
            raise _cannot_exec(program, error, f"stat {program}: ") from None
        if stat.S_ISDIR(mode):
            raise _cannot_exec(program, OSError(errno.EISDIR, "is a directory"))
        return program
    for directory in search.split(":"):
        candidate = os.path.join(directory or ".", program)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise StartFault(_words(program, "executable file not found in $PATH"), NOT_FOUND)


def _cannot_exec(program: str, error: OSError, prefix: str = "") -> StartFault:
    reason = {errno.ENOEXEC: "exec format error"}.get(error.errno or 0, (error.strerror or str(error)).lower())
    code = NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE
    return StartFault(_words(program, prefix + reason), code)


def _words(program: str, reason: str) -> str:
    return f'unable to start container process: exec: "{program}": {reason}'


def _take_stdio(stdio: Stdio, status: Status) -> None:
    """Puts the standard streams to 0, 1, 2 and ``status`` to 3."""
    if stdio.tty:
        terminal = _open_terminal(status)
        sources = (terminal, terminal, terminal)
    else:
        null = os.open("/dev/null", os.O_RDWR)
        sources = tuple(fd if fd >= 0 else null for fd in (stdio.stdin, stdio.stdout, stdio.stderr))  # type: ignore[assignment]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in sources]
    for number, fd in enumerate(high):
        os.dup2(fd, number, inheritable=True)
    status.move(3)


def _open_terminal(status: Status) -> int:
    """Makes a terminal in the container's own devpts, our controlling one, and hands its master to the machine."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, b"\0\0\0\0")
    number = int.from_bytes(fcntl.ioctl(master, _TIOCGPTN, b"\0\0\0\0"), sys.byteorder)
    terminal = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    status.send({"tty": True}, [master])
    os.close(master)
    return terminal


def _enter_directory(path: str) -> None:
    path = path or "/"
    with suppress(OSError):
        os.makedirs(path, exist_ok=True)
    os.chdir(path)


def _own_stdio(who: identity.Identity) -> None:
    """Lets another user open /dev/stdout anew, as runc does."""
    for number in (0, 1, 2):
        if stat.S_ISFIFO(os.fstat(number).st_mode) or os.isatty(number):
            with suppress(OSError):
                os.fchown(number, who.uid, -1)


def _report(status: Status, message: str, code: int) -> int:
    with suppress(OSError):
        status.send({"error": message, "code": code})
    return code
