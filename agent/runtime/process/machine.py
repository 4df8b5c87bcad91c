"""The machine: pid 1 of a node, which forks its containers and outlives the node's agent.

``main`` is called in a forked child that is already pid 1 of a fresh pid namespace and stands in the node's network
namespace. From there on one thread does everything: it answers agents on a Unix socket, forks, reaps, copies output.
Its state is what it has forked; nothing is on disk, because nothing of it would survive the machine. No request can end
it. Standard library only, so that its pages (and those of the pods it forks) stay few.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import resource
import shutil
import signal
import socket
import time
from typing import Any

from agent.runtime.process import containers, usage
from agent.runtime.process.child import Surroundings
from agent.runtime.process.containers import Container, Host
from agent.runtime.process.forker import Forker
from agent.runtime.process.loop import Loop
from agent.runtime.process.model import BadRequest, ContainerConfig, ExecConfig, LimitConfig, SandboxConfig, from_json
from agent.runtime.process.peers import Peer
from agent.runtime.process.processes import ExecProcess
from agent.runtime.process.rootfs import learn_host
from agent.runtime.process.sandboxes import OwnNamespaces, Sandbox
from minikube_py.config.parts import MachineConfig
from minikube_py.linux import cgroups, mounts, namespaces, process
from minikube_py.linux.cgroups import Limits

VERSION = 1
_SWEEPS = 200
_SWEEP_SECONDS = 0.005


class Machine:
    """Sandboxes, containers and execs by id, and the operations on them: ``op_<name>(peer, request) -> answer``.

    An operation that answers later returns None and uses ``peer.send`` with the request's id.
    """

    def __init__(self, config: MachineConfig, *, soft_files: int) -> None:
        self.loop = Loop()
        self._node_name = config.node_name
        self._state_dir = config.state_dir
        self._socket_path = config.socket
        self._own = OwnNamespaces()
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._execs: dict[int, tuple[Peer, ExecProcess]] = {}
        self._by_pid: dict[int, Container | ExecProcess] = {}
        self._peers: list[Peer] = []
        self._ids = itertools.count(1)
        group = self._find_cgroup()
        facts = learn_host(soft_files)
        facts.controllers = group.hierarchies() if group is not None else ()
        self._host = Host(self.loop, Forker(), facts, group)

    def run(self) -> int:
        """Serves until SIGTERM. Whatever runs then is killed by the end of the pid namespace."""
        self._clean_state()
        listener = self._listen()
        wake, signalled = socket.socketpair()
        for end in (wake, signalled):
            end.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.loop.stop())
        self.loop.add(wake.fileno(), lambda: self._woken(wake))
        self.loop.add(listener.fileno(), lambda: self._accept(listener))
        gc.collect()
        gc.freeze()  # pages of what lives for ever stay shared with the children
        self._reap()
        self.loop.run()
        self._end()
        return 0

    def op_hello(self, _peer: Peer, _request: dict[str, Any]) -> dict[str, Any]:
        return {
            "version": VERSION,
            "node_name": self._node_name,
            "limits": self._host.cgroup is not None,
            "many_ids": self._host.facts.many_ids,
        }

    def op_list_sandboxes(self, _peer: Peer, _request: dict[str, Any]) -> dict[str, Any]:
        return {"sandboxes": [self._sandbox_status(sandbox) for sandbox in self._sandboxes.values()]}

    def op_list_containers(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """All of them, or with ``sandbox_id`` those of one sandbox."""
        wanted = request.get("sandbox_id")
        chosen = (each for each in self._containers.values() if wanted in (None, each.config.sandbox_id))
        return {"containers": [container.status() for container in chosen]}

    def op_sandbox_run(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        config = from_json(SandboxConfig, request.get("sandbox"))
        for sandbox in self._sandboxes.values():
            if sandbox.ready and sandbox.config.uid == config.uid:
                return self._sandbox_status(sandbox)
        group = self._host.cgroup.child(f"pod{_plain(config.uid)}") if self._host.cgroup else None
        self._host.emptying = [each for each in self._host.emptying if each != group]
        sandbox = Sandbox(config, str(self._state_dir / "sandboxes" / _plain(config.id)), group)
        sandbox.make(self._own, self._host.forker)
        self._sandboxes[config.id] = sandbox
        return self._sandbox_status(sandbox)

    def op_sandbox_stop(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """Kills what runs in it; the agent waits for the exits and asks again until none is left."""
        sandbox = self._sandboxes.get(str(request.get("sandbox_id")))
        if sandbox is None:
            return {"running": 0}
        running = [each for each in self._of(sandbox) if each.pid]
        for container in running:
            container.signal(signal.SIGKILL)
        if not running and sandbox.ready:
            sandbox.give_up()
            self._tell({"event": "sandbox", "sandbox_id": sandbox.config.id})
        return {"running": len(running)}

    def op_sandbox_remove(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        sandbox = self._sandboxes.get(str(request.get("sandbox_id")))
        if sandbox is None:
            return {}
        if sandbox.ready or any(each.pid for each in self._of(sandbox)):
            raise BadRequest("the sandbox is not stopped")
        for container in self._of(sandbox):
            self._forget(container)
        del self._sandboxes[sandbox.config.id]
        sandbox.remove_files()
        if sandbox.cgroup is not None and not sandbox.cgroup.remove():
            self._host.emptying.append(sandbox.cgroup)
        return {}

    def op_container_create(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        config = from_json(ContainerConfig, request.get("container"))
        sandbox = self._sandboxes.get(config.sandbox_id)
        if sandbox is None or not sandbox.ready:
            raise BadRequest("the sandbox is not running")
        if config.id in self._containers:
            raise BadRequest("there is such a container already")
        directory = str(self._state_dir / "containers" / _plain(config.id))
        container = Container(config, directory, self._host, sandbox.cgroup)
        container.make_files()
        self._containers[config.id] = container
        return {}

    def op_update(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """Other limits for a container or, with ``sandbox_id``, for a whole pod."""
        given = from_json(LimitConfig, request.get("limits"))
        limits = Limits(given.cpu_request, given.cpu_limit, given.memory_limit)
        sandbox = self._sandboxes.get(str(request.get("sandbox_id") or ""))
        target = sandbox or self._container(request)
        target.limit(limits)
        return {}

    def op_container_start(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any] | None:
        container = self._container(request)
        if container.state == containers.RUNNING:
            return {}
        if container.state != containers.CREATED:
            raise BadRequest(f"the container is {container.state}")
        sandbox = self._sandboxes.get(container.config.sandbox_id)
        if sandbox is None or not sandbox.ready:
            raise BadRequest("the sandbox is not running")

        def started(error: str, code: int) -> None:
            if not error:
                self._announce(container)
            peer.send({"id": request.get("id"), **({"fault": error, "code": code} if error else {"ok": {}})})

        around = Surroundings(list(sandbox.fds.values()), sandbox.config.hostname, sandbox.directory)
        with self._pid_namespace(sandbox, container.config.joins) as pid_namespace:
            container.start(around, pid_namespace, started)
        self._by_pid[container.pid] = container
        return None

    def op_container_signal(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        container = self._containers.get(str(request.get("container_id")))
        if container is not None and container.state == containers.CREATED:
            container.abandon()
            self._announce(container)
        elif container is not None:
            container.signal(int(request.get("signal") or signal.SIGKILL))
        return {"running": bool(container and container.pid)}

    def op_container_remove(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        container = self._containers.get(str(request.get("container_id")))
        if container is None:
            return {}
        if container.pid:
            raise BadRequest("the container is running")
        self._forget(container)
        return {}

    def op_reopen_log(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        container = self._container(request)
        if container.output is not None:
            container.output.log.reopen()
        return {}

    def op_exec(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any] | None:
        config = from_json(ExecConfig, request.get("exec"))
        container = self._running(config.container_id)
        number = next(self._ids)

        def running(error: str, code: int, fds: list[int]) -> None:
            answer = {"fault": error, "code": code} if error else {"ok": {"exec_id": number}}
            peer.send({"id": request.get("id"), **answer}, fds)

        def ended(code: int) -> None:
            peer.send({"event": "exec", "exec_id": number, "code": code})

        command = ExecProcess(config, running=running, ended=ended)
        command.start(container, self._host)
        self._by_pid[command.pid] = command
        self._execs[number] = (peer, command)
        return None

    def op_exec_kill(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        entry = self._execs.get(int(request.get("exec_id") or 0))
        if entry is not None:
            entry[1].kill()
        return {}

    def op_attach(self, peer: Peer, request: dict[str, Any]) -> None:
        container = self._running(str(request.get("container_id")))
        if container.output is None:
            raise BadRequest("the container is not running")
        tty = container.config.tty
        readers = container.output.attach(("stdout",) if tty else ("stdout", "stderr"))
        writer = container.terminal if tty else container.stdin
        shared = [writer] if request.get("stdin") and writer >= 0 else []
        answer = {"tty": tty, "stdin": bool(shared), "stdin_once": container.config.stdin_once}
        peer.send({"id": request.get("id"), "ok": answer}, [*readers, *shared])
        for fd in readers:
            os.close(fd)

    def op_close_stdin(self, _peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        self._container(request).close_stdin()
        return {}

    def op_usage(self, _peer: Peer, _request: dict[str, Any]) -> dict[str, Any]:
        return {"usage": usage.measure(self._containers.values())}

    def _handle(self, peer: Peer, request: dict[str, Any], _fds: list[int]) -> None:
        operation = getattr(self, f"op_{request.get('op')}", None)
        number = request.get("id")
        try:
            if operation is None:
                raise BadRequest(f"unknown operation {request.get('op')!r}")
            answer = operation(peer, request)
        except OSError as error:
            peer.send({"id": number, "fault": error.strerror or str(error), "errno": error.errno})
        except Exception as error:
            peer.send({"id": number, "fault": str(error) or type(error).__name__})
        else:
            if answer is not None:
                peer.send({"id": number, "ok": answer})

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            channel, _ = listener.accept()
            self._peers.append(Peer(channel, self.loop, handle=self._handle, gone=self._peer_left))

    def _peer_left(self, peer: Peer) -> None:
        self._peers.remove(peer)
        for owner, command in list(self._execs.values()):
            if owner is peer:
                command.kill()

    def _woken(self, wake: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            wake.recv(4096)
        self._reap()
        self._host.bury()

    def _reap(self) -> None:
        """Collects every ended child; orphans of the node are ours too, for we are its pid 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ended = self._by_pid.pop(pid, None)
            if isinstance(ended, Container):
                ended.exited(status)
                self._announce(ended)
            elif ended is not None:
                self._execs = {key: entry for key, entry in self._execs.items() if entry[1] is not ended}
                ended.exited(status)
            else:
                self._reaper_ended(pid)

    def _reaper_ended(self, pid: int) -> None:
        """With the first process of a shared process namespace all others die; nothing can be forked there again."""
        for sandbox in self._sandboxes.values():
            if sandbox.pause_pid == pid:
                sandbox.pause_pid = 0
                sandbox.give_up()
                self._tell({"event": "sandbox", "sandbox_id": sandbox.config.id})

    def _announce(self, container: Container) -> None:
        self._tell({"event": "container", "container": container.status()})

    def _tell(self, message: dict[str, Any]) -> None:
        for peer in list(self._peers):
            peer.send(message)

    @contextlib.contextmanager
    def _pid_namespace(self, sandbox: Sandbox, joins: str) -> Any:
        """Where a container of ``sandbox`` is forked: None a fresh namespace, -1 the node's, else a descriptor."""
        if joins:
            target = self._running(joins)
            fd = os.open(f"/proc/{target.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield fd
            finally:
                os.close(fd)
        elif sandbox.config.host_pid:
            yield -1
        else:
            yield sandbox.pid_namespace if sandbox.pid_namespace >= 0 else None

    def _of(self, sandbox: Sandbox) -> list[Container]:
        return [each for each in self._containers.values() if each.config.sandbox_id == sandbox.config.id]

    def _container(self, request: dict[str, Any]) -> Container:
        container = self._containers.get(str(request.get("container_id")))
        if container is None:
            raise BadRequest("there is no such container")
        return container

    def _running(self, container_id: str) -> Container:
        container = self._containers.get(container_id)
        if container is None or container.state != containers.RUNNING or not container.pid:
            raise BadRequest("the container is not running")
        return container

    def _forget(self, container: Container) -> None:
        container.remove_traces()
        self._containers.pop(container.config.id, None)

    def _sandbox_status(self, sandbox: Sandbox) -> dict[str, Any]:
        config = sandbox.config
        return {
            "id": config.id, "namespace": config.namespace, "name": config.name, "uid": config.uid,
            "ready": sandbox.ready, "netns_fd": sandbox.fds.get("net", -1), "created_at": config.created_at,
        }  # fmt: skip

    def _listen(self) -> socket.socket:
        self._socket_path.parent.mkdir(parents=True, exist_ok=True)
        self._socket_path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        listener.bind(str(self._socket_path))
        os.chmod(self._socket_path, 0o600)
        listener.listen(8)
        return listener

    def _clean_state(self) -> None:
        """What a machine before us has left: nothing of it runs any more."""
        for name in ("sandboxes", "containers"):
            shutil.rmtree(self._state_dir / name, ignore_errors=True)
            (self._state_dir / name).mkdir(parents=True)

    def _find_cgroup(self) -> cgroups.Cgroup | None:
        name = cgroups.name_for(str(self._state_dir))
        cgroups.sweep(name)
        return cgroups.detect(name)

    def _end(self) -> None:
        for container in self._containers.values():
            container.signal(signal.SIGKILL)
        while self._by_pid:
            pid, _ = os.waitpid(-1, 0)
            self._by_pid.pop(pid, None)
        self._socket_path.unlink(missing_ok=True)
        for _ in range(_SWEEPS):  # the kernel lets go of a group a little after its last process
            if self._host.cgroup is None or cgroups.remove_tree(self._host.cgroup):
                return
            time.sleep(_SWEEP_SECONDS)


def main(config: MachineConfig) -> int:
    """Becomes the machine of a node. Returns the exit code when it is told to stop."""
    process.die_with_parent()
    process.stay_readable()
    process.set_name("minik-machine")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC)
    mounts.set_propagation("/", mounts.MS_SLAVE)
    mounts.set_propagation("/", mounts.MS_SHARED)  # with containers that ask for it (mountPropagation)
    mounts.mount("proc", "/proc", "proc", mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC)
    socket.sethostname(config.node_name[:64])
    process.set_title(f"minik machine {config.node_name}")
    return Machine(config, soft_files=soft).run()


def _plain(name: str) -> str:
    """An id that is one harmless path component. Raises BadRequest."""
    if not name or len(name) > 128 or not all(char.isalnum() or char in "-_." for char in name) or name[0] == ".":
        raise BadRequest(f"{name!r} is no id")
    return name
