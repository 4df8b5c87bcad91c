"""The Runtime protocol over a node's machine: the agent's side of the embedded runtime."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.images.model import LocalImage
from agent.images.store import LocalImages
from agent.runtime import portforward
from agent.runtime.events import EventHub
from agent.runtime.process import translate
from agent.runtime.process.client import MachineClient, MachineFault, MachineGone
from agent.runtime.process.pids import HostPids
from agent.runtime.process.streams import FdStreams
from agent.runtime.protocol import (
    ContainerEvent,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ContainerUsage,
    ImageFault,
    Resources,
    RuntimeFault,
    SandboxSpec,
    SandboxStatus,
    Streams,
)
from minikube_py.aio.backoff import Backoff
from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.aio.waiting import wait_at_most
from minikube_py.linux.cgroups import ease_moves

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10.0


class ProcessRuntime:
    """Pods as processes of a machine. Containers outlive this object; a new one finds them by ``list_containers``."""

    name = "minik"
    version = "1"

    def __init__(
        self,
        *,
        machine_socket: Path,
        image_store: LocalImages,
        state_dir: Path,
        node_name: str,
        clock: Clock | None = None,
    ) -> None:
        self.images = image_store
        self.limits_enforced = False
        self._node_name = node_name
        self._state_dir = state_dir
        self._clock = clock or SystemClock()
        self._client = MachineClient(machine_socket, on_event=self._on_event, on_lost=self._on_lost)
        self._hub: EventHub[ContainerEvent] = EventHub()
        self._tasks = TaskSet("runtime")
        self._pids = HostPids()
        self._sandboxes: set[str] = set()
        self._containers: dict[str, dict[str, Any]] = {}
        self._exits: dict[str, asyncio.Event] = {}
        self._commands: dict[int, FdStreams] = {}
        self._early_codes: dict[int, int] = {}
        self._attached: dict[str, list[FdStreams]] = {}
        self._easing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects; waits a while for a machine that is just starting."""
        backoff = Backoff(0.005, 0.2)
        deadline = self._clock.monotonic() + _CONNECT_SECONDS
        while True:
            try:
                await self._connect()
                return
            except OSError as error:
                if self._clock.monotonic() > deadline:
                    raise RuntimeFault("RuntimeUnavailable", f"the node's machine does not answer: {error}") from error
            await self._clock.sleep(backoff.next())

    async def stop(self) -> None:
        self._client.close()
        await self._tasks.close()
        self._client.close()  # a reconnection may have been under way
        for streams in [*self._commands.values(), *(each for group in self._attached.values() for each in group)]:
            await streams.close()

    def events(self) -> AsyncIterator[ContainerEvent]:
        return self._hub.subscribe()

    async def run_sandbox(self, spec: SandboxSpec) -> SandboxStatus:
        self._ease_moves()
        config = translate.sandbox_config(spec, sandbox_id=uuid.uuid4().hex, now=self._clock.now())
        try:
            data = await self._client.call("sandbox_run", sandbox=asdict(config))
        except MachineFault as fault:
            raise RuntimeFault("FailedCreatePodSandBox", fault.message) from fault
        self._sandboxes.add(data["id"])
        return translate.sandbox_status(data, machine_pid=self._client.machine_pid)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        while (await self._client.call("sandbox_stop", sandbox_id=sandbox_id))["running"]:
            for data in await self._list_containers(sandbox_id=sandbox_id):
                if data["pid"]:
                    await self._exit_of(data["id"]).wait()

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        for data in await self._list_containers(sandbox_id=sandbox_id):
            await self.remove_container(data["id"])
        await self._client.call("sandbox_remove", sandbox_id=sandbox_id)
        self._sandboxes.discard(sandbox_id)

    async def list_sandboxes(self) -> list[SandboxStatus]:
        found = await self._list_sandboxes()
        return [translate.sandbox_status(each, machine_pid=self._client.machine_pid) for each in found]

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str:
        config = translate.container_config(
            spec,
            await self._image(spec.image),
            container_id=uuid.uuid4().hex,
            sandbox_id=sandbox_id,
            node_name=self._node_name,
            now=self._clock.now(),
        )
        try:
            await self._client.call("container_create", container=asdict(config))
        except MachineFault as fault:
            raise RuntimeFault("CreateContainerError", fault.message) from fault
        except asyncio.CancelledError:
            self._discard_later(config.id)
            raise
        return config.id

    async def start_container(self, container_id: str) -> None:
        try:
            await self._client.call("container_start", container_id=container_id)
        except MachineFault as fault:
            raise RuntimeFault("RunContainerError", fault.message) from fault

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        stop_signal = await self._stop_signal(container_id)
        if not (await self._signal(container_id, stop_signal)):
            return
        exited = self._exit_of(container_id)
        await wait_at_most(exited, grace_seconds, clock=self._clock, tasks=self._tasks)
        while not exited.is_set() and await self._signal(container_id, 9):
            await exited.wait()

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        await self._update(resources, container_id=container_id)

    async def update_pod_resources(self, sandbox_id: str, resources: Resources) -> None:
        await self._update(resources, sandbox_id=sandbox_id)

    async def _update(self, resources: Resources, **target: str) -> None:
        try:
            await self._client.call("update", limits=asdict(translate.limit_config(resources)), **target)
        except MachineFault as fault:
            raise RuntimeFault("ResizeError", fault.message) from fault

    async def remove_container(self, container_id: str) -> None:
        try:
            await self._remove(container_id)
        except asyncio.CancelledError:  # between the machine's part and the files
            self._discard_later(container_id)
            raise

    async def _remove(self, container_id: str) -> None:
        while True:
            try:
                await self._client.call("container_remove", container_id=container_id)
                break
            except MachineFault:
                await self.stop_container(container_id, grace_seconds=0)
        self._exits.pop(container_id, None)
        self._containers.pop(container_id, None)
        self._pids.forget(container_id)
        await asyncio.to_thread(remove_tree, self._state_dir / "containers" / container_id)

    async def list_containers(self) -> list[ContainerStatus]:
        found = await self._list_containers()
        self._containers = {each["id"]: each for each in found}
        return [translate.container_status(each, pid=self._pid(each)) for each in found]

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Streams:
        config = {"container_id": container_id, "argv": list(command), "tty": tty, "stdin": stdin}
        try:
            answer, fds = await self._client.call_fds("exec", exec=config)
        except MachineFault as fault:
            raise RuntimeFault("ExecError", fault.message) from fault
        exec_id = int(answer["exec_id"])

        async def hang_up() -> None:
            self._commands.pop(exec_id, None)
            with contextlib.suppress(RuntimeFault):
                await self._client.call("exec_kill", exec_id=exec_id)

        streams = _command_streams(fds, tty=tty, stdin=stdin, hang_up=hang_up)
        if (code := self._early_codes.pop(exec_id, None)) is not None:
            streams.finish(code)
        else:
            self._commands[exec_id] = streams
        return streams

    async def attach(self, container_id: str, *, stdin: bool = False) -> Streams:
        try:
            answer, fds = await self._client.call_fds("attach", container_id=container_id, stdin=stdin)
        except MachineFault as fault:
            raise RuntimeFault("AttachError", fault.message) from fault
        attached = self._attached.setdefault(container_id, [])

        async def hang_up() -> None:
            if streams in attached:
                attached.remove(streams)
            await end_stdin()

        async def end_stdin() -> None:
            """The container's own input ends with its only client's; one that takes many lets this client go."""
            if answer["stdin"] and answer["stdin_once"] and not answer["tty"]:
                with contextlib.suppress(RuntimeFault):
                    await self._client.call("close_stdin", container_id=container_id)
            elif answer["stdin"] and streams in attached:
                attached.remove(streams)
                streams.finish(0)

        streams = _attach_streams(fds, answer, hang_up=hang_up, end_stdin=end_stdin)
        attached.append(streams)
        return streams

    async def port_forward(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        status = next((each for each in await self.list_sandboxes() if each.id == sandbox_id), None)
        if status is None or not status.ready:
            raise ConnectionRefusedError(111, f"sandbox {sandbox_id!r} is not running")
        return await portforward.connect(status.netns_path, port)

    async def usage(self) -> list[ContainerUsage]:
        containers = self._state_dir / "containers"
        return [
            ContainerUsage(**each, writable_layer=containers / each["container_id"] / "upper")
            for each in (await self._client.call("usage"))["usage"]
        ]

    async def reopen_log(self, container_id: str) -> None:
        await self._client.call("reopen_log", container_id=container_id)

    async def _connect(self) -> None:
        left = await asyncio.to_thread(self._files)  # before anybody can make new ones
        await self._client.connect()
        hello = await self._client.call("hello")
        self.limits_enforced = bool(hello["limits"])
        self._sandboxes = {each["id"] for each in await self._list_sandboxes()}
        self._containers = {each["id"]: each for each in await self._list_containers()}
        for each in self._containers.values():
            if each["state"] == "exited":
                self._exit_of(each["id"]).set()
        self._pids.machine_pid = self._client.machine_pid
        await asyncio.to_thread(_remove_all, [each for each in left if each.name not in self._containers])

    async def _list_sandboxes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._client.call("list_sandboxes"))["sandboxes"]
        return found

    async def _list_containers(self, **of: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._client.call("list_containers", **of))["containers"]
        return found

    def _files(self) -> list[Path]:
        """Those of containers, also of some whose removal an agent before us did not finish."""
        with contextlib.suppress(OSError):
            return list((self._state_dir / "containers").iterdir())
        return []

    async def _image(self, name: str) -> LocalImage:
        image = await asyncio.to_thread(self.images.find, name)
        if image is None:
            raise ImageFault("ErrImagePull", f"image {name!r} is not on this node")
        return image

    def _ease_moves(self) -> None:
        """A container is about to be moved into its control group: by then the kernel shall be ready for it."""
        if self.limits_enforced and (self._easing is None or self._easing.done()):
            self._easing = self._tasks.spawn(asyncio.to_thread(ease_moves), name="ease moves")

    def _discard_later(self, container_id: str) -> None:
        """Whoever wanted it waits no longer. When this runtime stops too, the next one sweeps the files."""
        if not self._tasks.closed:
            self._tasks.spawn(self._discard(container_id), name=f"discard {container_id}")

    async def _discard(self, container_id: str) -> None:
        with contextlib.suppress(RuntimeFault):
            await self._remove(container_id)

    async def _stop_signal(self, container_id: str) -> int:
        data = self._containers.get(container_id)
        if data is None:
            await self.list_containers()
            data = self._containers.get(container_id) or {}
        return translate.signal_number(data.get("stop_signal") or "TERM")

    async def _signal(self, container_id: str, number: int) -> bool:
        """Whether it was running."""
        answer = await self._client.call("container_signal", container_id=container_id, signal=number)
        return bool(answer["running"])

    def _exit_of(self, container_id: str) -> asyncio.Event:
        return self._exits.setdefault(container_id, asyncio.Event())

    def _pid(self, data: dict[str, Any]) -> int | None:
        return self._pids.of(data["id"], data["pid"]) if data["pid"] else None

    def _on_event(self, message: dict[str, Any]) -> None:
        kind = message["event"]
        if kind == "container":
            self._container_changed(message["container"])
        elif kind == "sandbox":
            self._hub.publish(ContainerEvent(message["sandbox_id"], "", ContainerState.EXITED))
        elif kind == "exec":
            streams = self._commands.pop(message["exec_id"], None)
            if streams is not None:
                streams.finish(message["code"])
            else:
                self._early_codes[message["exec_id"]] = message["code"]

    def _container_changed(self, data: dict[str, Any]) -> None:
        self._containers[data["id"]] = data
        state = ContainerState(data["state"])
        if state is ContainerState.EXITED:
            self._exit_of(data["id"]).set()
            self._pids.forget(data["id"])
            for streams in self._attached.pop(data["id"], []):
                streams.finish(data["exit_code"])
        self._hub.publish(ContainerEvent(data["sandbox_id"], data["id"], state))

    def _on_lost(self) -> None:
        """The machine has died, and with it all it had forked: say so, then wait for the next one."""
        _log.warning("the node's machine is gone")
        for streams in [*self._commands.values(), *(each for group in self._attached.values() for each in group)]:
            streams.finish(137)
        self._commands.clear()
        self._attached.clear()
        for data in self._containers.values():
            if data["state"] != "exited":
                self._exit_of(data["id"]).set()
                self._hub.publish(ContainerEvent(data["sandbox_id"], data["id"], ContainerState.EXITED))
        for sandbox_id in sorted(self._sandboxes):
            self._hub.publish(ContainerEvent(sandbox_id, "", ContainerState.EXITED))
        self._containers.clear()
        self._sandboxes.clear()
        self._pids.clear()
        self._tasks.spawn(self._reconnect(), name="reconnect")

    async def _reconnect(self) -> None:
        backoff = Backoff(0.02, 1.0)
        while not self._client.connected:
            try:
                await self._connect()
            except (OSError, MachineGone):
                self._client.close()
                await self._clock.sleep(backoff.next())


def _remove_all(paths: Sequence[Path]) -> None:
    for path in paths:
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Removes a container's files. Overlay work directories forbid their owner everything: that is taken back first."""

    def unlock(_function: Any, failed: str, _error: Any) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(failed), 0o700)
            os.chmod(failed, 0o700)
            os.rmdir(failed) if os.path.isdir(failed) else os.unlink(failed)

    shutil.rmtree(path, onerror=unlock)
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)


def _command_streams(fds: list[int], *, tty: bool, stdin: bool, hang_up: Any) -> FdStreams:
    if tty:
        return FdStreams(stdin=os.dup(fds[0]), stdout=fds[0], stderr=-1, terminal=True, hang_up=hang_up)
    own_stdin = fds.pop(0) if stdin else -1
    return FdStreams(stdin=own_stdin, stdout=fds[0], stderr=fds[1], terminal=False, hang_up=hang_up)


def _attach_streams(fds: list[int], answer: dict[str, Any], *, hang_up: Any, end_stdin: Any) -> FdStreams:
    stderr = -1 if answer["tty"] else fds[1]
    stdin = fds[-1] if answer["stdin"] else -1
    return FdStreams(
        stdin=stdin, stdout=fds[0], stderr=stderr, terminal=answer["tty"], hang_up=hang_up, end_stdin=end_stdin
    )
