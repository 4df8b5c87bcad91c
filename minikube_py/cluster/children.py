"""Forking the parts of a cluster from the warm image of the supervisor, and watching them."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from minikube_py.config.importing import import_all
from minikube_py.config.parts import Told
from minikube_py.linux.fork import fork_into
from minikube_py.linux.namespaces import CLONE_NEWNET, CLONE_NEWPID, setns
from minikube_py.linux.process import die_with_parent, set_name

_RESET_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True, slots=True)
class Part:
    """A process of the cluster: where it starts, what it is told, and where it lives.

    ``entry`` is ``module:function``; the function takes ``config``, which the fork leaves in memory, and returns an
    exit code. ``netns`` is the network namespace it runs in, None for the host's. ``modules`` are imported before the
    fork: what several parts use, so that its pages are shared and its time is spent once. The rest a part imports
    itself, at the same time as the others.
    """

    name: str
    entry: str
    config: Told
    log: Path
    netns: int | None = None
    own_pid_namespace: bool = False
    keep: tuple[int, ...] = ()
    modules: tuple[str, ...] = ()

    def warm_up(self) -> None:
        """Import what the part shares with others into this process, from which it will be forked."""
        _import(self.modules)


@dataclass(slots=True)
class Child:
    """A running part. ``pidfd`` becomes readable when it has ended."""

    part: Part
    pid: int
    pidfd: int

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has already ended is left in peace."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass

    def reap(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        return os.waitstatus_to_exitcode(status)


def spawn(part: Part) -> Child:
    """Forks ``part``. Only the calling thread may exist. Raises OSError."""
    gc.freeze()  # what is shared with the child now stays shared: no collection touches its pages
    pid = fork_into(CLONE_NEWPID if part.own_pid_namespace else 0)
    if pid == 0:
        run_in_child(lambda: _become(part))
    return Child(part, pid, os.pidfd_open(pid))


def run_in_child(work: Callable[[], int]) -> None:
    """Runs ``work`` as the rest of a freshly forked process' life. Never returns."""
    code = 70  # EX_SOFTWARE
    try:
        code = work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        logging.getLogger(__name__).exception("died")
    finally:
        logging.shutdown()
        os._exit(code)


def _become(part: Part) -> int:
    die_with_parent(signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    for number in _RESET_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if part.netns is not None:
        setns(part.netns, CLONE_NEWNET)
    log_to(part.log)
    close_descriptors(except_for=part.keep)
    set_name(f"minik:{part.name}")
    module, _, function = part.entry.partition(":")
    main: Callable[[Told], int] = getattr(_import([module])[0], function)
    gc.freeze()
    return main(part.config)


def _import(modules: Iterable[str]) -> list[ModuleType]:
    """Imports them without the machine's certificate authorities, which aiohttp would read into every process.

    That takes as long as the rest of aiohttp and a megabyte; no part needs them: connections bring their own context.
    """
    hidden = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    os.environ.update(dict.fromkeys(hidden, os.devnull))
    try:
        return import_all(modules)
    finally:
        for name, value in hidden.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


class Beside:
    """Work that a forked process does at the same time as this one goes on. Only the calling thread may exist."""

    def __init__(self, what: str, work: Callable[[], None]) -> None:
        self._what = what
        self._pid = os.fork()
        if self._pid == 0:
            run_in_child(lambda: _do_beside(work))

    def wait(self) -> None:
        """Returns when it is done. Raises OSError where it failed; the log says why."""
        _, status = os.waitpid(self._pid, 0)
        if status != 0:
            code = os.waitstatus_to_exitcode(status)
            raise OSError(f"{self._what}: failed with code {code}, see `minik logs supervisor`")


def _do_beside(work: Callable[[], None]) -> int:
    die_with_parent(signal.SIGKILL)
    work()
    return 0


def log_to(path: Path) -> None:
    """Standard output, standard error and the root logger go to ``path``, standard input comes from nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for target, source in ((0, nowhere), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(nowhere)
    os.close(log)
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr, force=True)


def close_descriptors(*, except_for: Iterable[int]) -> None:
    """Closes everything above standard error but ``except_for``: a part holds no lock or socket of ours."""
    first = 3
    for kept in sorted(except_for):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
