"""Starting a cluster from a command: take the lock, clear a crash's leftovers, fork the supervisor, follow it."""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from minikube_py.cluster.assembly import Assembly
from minikube_py.cluster.auditing import check_audit
from minikube_py.cluster.children import log_to, run_in_child
from minikube_py.cluster.leftovers import remove_after_a_crash
from minikube_py.cluster.lock import take_lock
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.plan import ClusterPlan, make_plan
from minikube_py.cluster.preflight import check_room, explain, probe
from minikube_py.cluster.progress import Progress, ProgressWriter, read_progress
from minikube_py.cluster.ranges import Ranges, choose_ranges
from minikube_py.cluster.runtimes import choose_runtimes
from minikube_py.cluster.supervisor import Supervisor
from minikube_py.cluster.userspace import Privileges, enter
from minikube_py.config.cluster import ClusterConfig

if TYPE_CHECKING:
    from minikube_py.cluster.composed.launch import ComposedLaunch

#: For the making of a cluster whose nodes nobody waits for.
_MOST_SECONDS: Final = 60.0


class Launch:
    """A cluster on its way up. Iterate over it for the progress; the last item says how it ended."""

    def __init__(self, plan: ClusterPlan, pipe: int, *, note: str = "") -> None:
        """``note`` is what is unusual about the cluster's addresses."""
        self.plan = plan
        self.note = note
        self._pipe = pipe

    def progress(self, timeout: float) -> Iterator[Progress]:
        """Every step until ready or failed; "failed" too when ``timeout`` seconds pass or the supervisor dies.

        0 does not wait for the nodes: the last step is then the start of what they wait for.
        """
        deadline = time.monotonic() + (timeout or _MOST_SECONDS)
        with os.fdopen(self._pipe, "rb", buffering=0) as pipe:
            while _readable(pipe.fileno(), deadline):
                line = next(read_progress(pipe), None)
                if line is None:
                    yield Progress("failed", f"the supervisor died: see {self.plan.paths.logs}/supervisor.log")
                    return
                yield line
                if line.kind in ("ready", "failed") or (line.kind == "started" and not timeout):
                    return
        yield Progress("failed", f"not ready after {timeout:.0f} seconds: see `minik status` and `minik logs`")


def launch(config: ClusterConfig) -> Launch | ComposedLaunch:
    """Starts the cluster. Raises AlreadyRunning, NoEngine, ValueError for an impossible configuration, OSError."""
    paths = ClusterPaths.of(config.name)
    plan = make_plan(config, paths, runtimes := choose_runtimes(config))  # what is impossible is refused first
    check_audit(config)
    lock = take_lock(paths)
    if runtimes.composed or paths.composed_file.exists():
        from minikube_py.cluster.composed.launch import launch_composed, refuse_a_running_one  # half a second

        refuse_a_running_one(paths, lock)
        if runtimes.composed:
            return launch_composed(plan, lock)
    ranges = Ranges(config)
    try:
        ranges = choose_ranges(config)
        plan = make_plan(ranges.config, paths, runtimes)
        remove_after_a_crash(paths)
        check_room(paths.lock.parent)
        listener = _listen(plan.config.api_port)
        paths.logs.mkdir(mode=0o700, parents=True)
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.close(read_end)
            run_in_child(lambda: _detach(plan, listener, write_end))
        os.close(write_end)
        listener.close()
        with suppress(ChildProcessError):
            os.wait()
        return Launch(plan, read_end, note=ranges.note)
    finally:
        ranges.close()  # the supervisor holds references of its own to this
        os.close(lock)  # and to the lock


def _listen(port: int) -> socket.socket:
    """The host's door to the API server: opened first, so that a taken port is refused before anything is made."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=1024)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), f"127.0.0.1:{port}") from error


def _detach(plan: ClusterPlan, listener: socket.socket, progress: int) -> int:
    """The classic daemon: a session of its own, not a child of the command. Runs in the first fork."""
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        os.umask(0o022)
        run_in_child(lambda: _supervise(plan, listener, ProgressWriter(progress)))
    return 0


def _supervise(plan: ClusterPlan, listener: socket.socket, progress: ProgressWriter) -> int:
    log_to(plan.paths.logs / "supervisor.log")
    plan.paths.lock.write_text(str(os.getpid()))
    try:
        privileges = _enter(plan.paths.logs)
    except OSError as error:
        logging.getLogger(__name__).error("cannot enter namespaces: %s", error)
        progress.failed(explain(error))
        return 1
    return Supervisor(Assembly(plan, privileges, listener), progress).run()


def _enter(logs: Path) -> Privileges:
    privileges = enter()
    scratch = logs / "probe"
    scratch.mkdir()
    probe(scratch)
    return privileges


def _readable(descriptor: int, deadline: float) -> bool:
    left = deadline - time.monotonic()
    return left > 0 and bool(select.select([descriptor], [], [], left)[0])
