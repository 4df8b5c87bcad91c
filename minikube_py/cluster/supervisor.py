"""The supervisor: the one process that a cluster consists of when seen from outside.

It owns what must outlive the parts (namespaces, listening sockets, the lock), forks the parts, brings back those that
die, vends host sockets and obeys the control socket. It is a plain select loop with a single thread: it forks, and
a forking process has no use for an event loop's threads and locks. When it dies, the kernel takes everything along.
"""

from __future__ import annotations

import heapq
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from minikube_py.cluster.assembly import Assembly
from minikube_py.cluster.children import Child, Part, spawn
from minikube_py.cluster.control import Answer, ControlRefused, ControlServer
from minikube_py.cluster.progress import ProgressWriter, all_ready, counted_nodes
from minikube_py.cluster.restarts import RestartPolicy
from minikube_py.hostnet.reservations import PortReservations
from minikube_py.hostnet.vendor import SocketVendor

_log = logging.getLogger(__name__)

#: How long an orderly stop of a part may take, in seconds.
_STOP_SECONDS = 3.0
#: A part that has ended so often before the cluster is ready: whoever waits for it is told. It goes on being tried.
_HOPELESS = 5


class Supervisor:
    """Runs one cluster from nothing to nothing. ``run`` returns the process' exit code."""

    def __init__(self, assembly: Assembly, progress: ProgressWriter) -> None:
        self._assembly = assembly
        self._plan = assembly.plan
        self._progress = progress
        self._selector = selectors.DefaultSelector()
        self._children: dict[str, Child] = {}
        self._policies: dict[str, RestartPolicy] = {}
        self._halted: set[str] = set()
        self._unplugged: set[str] = set()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._stopping = False
        self._remove = False
        self._started = time.time()

    def run(self) -> int:
        """Bring the cluster up, keep it up, take it down."""
        self._listen_to_signals()
        try:
            self._bring_up()
            while not self._stopping:
                self._turn()
        except Exception as error:
            _log.exception("the cluster cannot run")
            self._progress.failed(str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}")
            return 1
        finally:
            self._take_down()
        return 0

    # -- up -------------------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        plan, assembly = self._plan, self._assembly
        assembly.make_directories()
        assembly.build_network()
        assembly.connect_host()
        self._vendor = SocketVendor(
            plan.paths.vendor_socket, reservations=PortReservations(plan.paths.port_reservations, owner=plan.name)
        )
        self._watch(self._vendor, self._vendor.turn)
        self._control = ControlServer(plan.paths.control_socket, self._obey)
        self._watch(self._control.listener, self._control.serve)
        self._progress.step(f"namespaces for {counted_nodes(len(plan.nodes))}")
        for part in assembly.machines():  # before the heavy imports: they stay small for life
            part.warm_up()
            self._start(part)
        certificates = assembly.begin_certificates()
        assembly.write_word()
        parts = assembly.parts()
        parts[0].warm_up()
        certificates.wait()
        self._progress.step("machines and certificates")
        for part in (*parts, assembly.readiness(self._progress.descriptor)):
            part.warm_up()
            self._start(part)
        self._progress.started("control plane and agents started")

    def _start(self, part: Part) -> None:
        self._policies.setdefault(part.name, RestartPolicy())
        child = spawn(part)
        self._children[part.name] = child
        self._watch(child.pidfd, lambda: self._ended(part.name))
        _log.info("%s is process %d", part.name, child.pid)

    # -- the loop -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for key, _ in self._selector.select(timeout):
            if key.fd in self._selector.get_map():  # an earlier callback of this round may have dropped it
                key.data()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _watch(self, file: Any, callback: Callable[[], None]) -> None:
        self._selector.register(file, selectors.EVENT_READ, callback)

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, id(callback), callback))

    def _listen_to_signals(self) -> None:
        receiver, sender = socket.socketpair()
        self._signals = receiver, sender
        receiver.setblocking(False)
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._watch(receiver, self._signalled)

    def _signalled(self) -> None:
        self._signals[0].recv(64)
        self._stopping = True

    # -- parts that end -------------------------------------------------------------------------------------

    def _ended(self, name: str) -> None:
        child = self._children.pop(name)
        self._selector.unregister(child.pidfd)
        code = child.reap()
        if name == self._assembly.READINESS:
            self._became_ready(code)
            return
        if name in self._halted or self._stopping:
            return
        delay = self._policies[name].delay(time.monotonic())
        _log.warning("%s ended with code %d, back in %.1f s", name, code, delay)
        self._after(delay, lambda: self._bring_back(child.part))
        if self._policies[name].restarts == _HOPELESS:
            self._progress.failed(f"{name} does not stay up: see `minik logs --name {self._plan.name} {name}`")

    def _bring_back(self, part: Part) -> None:
        if part.name not in self._halted and part.name not in self._children and not self._stopping:
            self._start(part)

    def _became_ready(self, code: int) -> None:
        if code == 0:
            self._progress.ready(all_ready(len(self._plan.nodes)))
        else:
            self._progress.failed("the nodes did not become Ready")

    # -- commands -------------------------------------------------------------------------------------------

    def _obey(self, command: str, arguments: dict[str, Any]) -> Answer:
        commands: dict[str, Callable[..., Answer]] = {
            "status": self._status,
            "shutdown": self._shutdown,
            "stop-node": self._stop_node,
            "start-node": self._start_node,
            "unplug-node": self._unplug_node,
            "plug-node": self._plug_node,
        }
        if command not in commands:
            raise ControlRefused(f"unknown command {command!r}")
        try:
            return commands[command](**arguments)
        except KeyError as error:
            raise ControlRefused(str(error.args[0])) from error
        except TypeError as error:
            raise ControlRefused(f"{command}: {error}") from error
        except OSError as error:
            raise ControlRefused(f"{command}: {error}") from error

    def _status(self) -> Answer:
        return {
            "name": self._plan.name,
            "pid": os.getpid(),
            "started": self._started,
            "server": self._assembly.server_url,
            "runtime": self._plan.runtimes.usual,
            "where": "rootless" if self._assembly.privileges.rootless else "as root",
            "outside": str(self._assembly.egress),
            "parts": [
                {
                    "name": name,
                    "pid": self._children[name].pid if name in self._children else None,
                    "restarts": policy.restarts,
                    "halted": name in self._halted,
                }
                for name, policy in self._policies.items()
                if name != self._assembly.READINESS
            ],
        }

    def _shutdown(self, remove: bool = True) -> Answer:
        self._stopping = True
        self._remove = remove
        return {"pid": os.getpid()}

    def _stop_node(self, node: str) -> Answer:
        names = self._assembly.names_of_node(node)
        self._halted.update(names)
        for name in names:
            if name in self._children:
                self._children[name].signal(signal.SIGKILL)
        self._assembly.switch_off(node)
        self._reroute()
        return {"stopped": node}

    def _start_node(self, node: str) -> Answer:
        names = self._assembly.names_of_node(node)
        self._halted.difference_update(names)
        for part in (*self._assembly.machines(), *self._assembly.parts()):
            if part.name in names:
                self._bring_back(part)
        self._reroute()
        return {"started": node}

    def _unplug_node(self, node: str) -> Answer:
        self._assembly.network.unplug(node)
        self._unplugged.add(node)
        self._reroute()
        return {"unplugged": node}

    def _plug_node(self, node: str) -> Answer:
        self._assembly.network.plug(node)
        self._unplugged.discard(node)
        self._reroute()
        return {"plugged": node}

    def _reroute(self) -> None:
        """The host's way to ClusterIPs goes through a node that is on and connected, if there is one."""
        nodes = [node.name for node in self._plan.nodes if node.name not in self._unplugged]
        self._assembly.route_services([name for name in nodes if f"agent-{name}" not in self._halted])

    # -- down -----------------------------------------------------------------------------------------------

    def _take_down(self) -> None:
        """Clients before servers: nobody is left to log errors about a peer that is gone on purpose."""
        self._stopping = True
        machines = [part.name for part in self._assembly.machines()]
        first = [name for name in self._children if name not in machines and name != "apiserver"]
        self._end(first, signal.SIGTERM)
        self._end(machines, signal.SIGKILL)  # pid 1 of its namespace: the kernel ends every pod with it
        self._end(list(self._children), signal.SIGTERM)
        for server in ("_vendor", "_control"):
            if hasattr(self, server):
                getattr(self, server).close()
        self._assembly.close(remove=self._remove)
        self._progress.close()

    def _end(self, names: list[str], number: signal.Signals) -> None:
        """Signals the parts together and waits for all; those that do not go in time are killed."""
        ending = [self._children.pop(name) for name in names if name in self._children]
        for child in ending:
            child.signal(number)
        deadline = time.monotonic() + _STOP_SECONDS
        with selectors.DefaultSelector() as waiting:
            for child in ending:
                with suppress(KeyError):
                    self._selector.unregister(child.pidfd)
                waiting.register(child.pidfd, selectors.EVENT_READ, child)
            while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in waiting.select(left):
                    waiting.unregister(key.fd)
        for child in ending:
            child.signal(signal.SIGKILL)
            child.reap()
