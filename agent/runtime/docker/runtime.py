"""The Runtime protocol over a Docker engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from agent.images.access import ImageAccess
from agent.images.builtin import ECHO, HOST
from agent.images.store import LocalImages
from agent.runtime import portforward
from agent.runtime.docker import anchor, hosttools, labels, translate
from agent.runtime.docker.anchor import NodeAnchor
from agent.runtime.docker.collector import ImageCollector, PulledImages, disk_of
from agent.runtime.docker.commands import run_command
from agent.runtime.docker.engine import Engine, EngineFault
from agent.runtime.docker.home import Home, find_home
from agent.runtime.docker.images import DockerImages
from agent.runtime.docker.logs import LogCopy
from agent.runtime.docker.streams import HijackedStreams
from agent.runtime.docker.usage import usage_of
from agent.runtime.docker.watch import Watch, is_sandbox
from agent.runtime.events import EventHub
from agent.runtime.process.rootfs import HostFacts, learn_host
from agent.runtime.process.translate import identity, ports
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
from minikube_py.aio.clock import Clock, SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.aio.waiting import wait_at_most

_LONGEST_MESSAGE: Final = 4096
_LOG_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.005


class DockerRuntime:
    """Pods as containers of an engine on this machine. They outlive this object; the next one finds them by label.

    ``image_access`` is a directory that all nodes with this engine share (``ImageAccess``). ``on_health`` is called
    when the engine goes away and when it is back.
    """

    name = "docker"
    version = "unknown"

    def __init__(
        self,
        *,
        engine_socket: Path,
        state_dir: Path,
        node_name: str,
        cluster: str = "minik",
        image_access: Path | None = None,
        clock: Clock | None = None,
        on_health: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = Engine(engine_socket)
        pulled = PulledImages(state_dir / "pulled-images")
        self._state_dir = state_dir / "docker"
        self.images = DockerImages(
            self._engine,
            pulled,
            self._ensure_builtin,
            files=LocalImages(self._state_dir / "image-files"),
            access=ImageAccess(image_access or state_dir / "image-access"),
        )
        self._own = translate.owner(cluster, node_name)
        self._clock = clock or SystemClock()
        self._home = Home()
        self._anchor = NodeAnchor(self._engine, self._own, clock=self._clock)
        self._hub: EventHub[ContainerEvent] = EventHub()
        self._tasks = TaskSet("docker")
        self._watch = Watch(self._engine, self._own, clock=self._clock, on_change=self._changed, on_health=on_health)
        self._images_on = state_dir
        self._collector = ImageCollector(
            images=self.images,
            pulled=pulled,
            in_use=self._images_in_use,
            disk=lambda: disk_of(self._images_on),
            clock=self._clock,
        )
        self._inspected: dict[str, dict[str, Any]] = {}
        self._abandoned: set[str] = set()
        self._fresh: dict[str, str] = {}  # made and not started yet: container -> sandbox
        self._exits: dict[str, asyncio.Event] = {}
        self._logs: dict[str, tuple[LogCopy, asyncio.Task[None]]] = {}
        self._pause = self._architecture = ""
        self._facts = HostFacts(real_root=True, many_ids=True, soft_files=0)

    @property
    def engine_away(self) -> bool:
        """Whether the engine does not answer at present."""
        return self._watch.away

    async def start(self) -> None:
        """Raises RuntimeFault where there is no engine."""
        self._tasks = TaskSet("docker")
        self._engine.open()
        try:
            told = await self._engine.get("/version")
            self.version = str(told["Version"])
            self._architecture = str(told["Arch"])
            self._facts = await asyncio.to_thread(learn_host, 0)
            self._home = await find_home(self._engine)
            root = Path(str((await self._engine.get("/info")).get("DockerRootDir") or ""))
            self._images_on = root if root.is_absolute() and not self._home.container else self._state_dir
            await self._ensure_builtin()
        except BaseException:
            await self._engine.close()
            raise
        self._tasks.spawn(self._watch.run(), name="events")
        self._tasks.spawn(self._collector.run(), name="image collector")
        await self._watch.subscribed()

    async def stop(self) -> None:
        await self._tasks.close()
        await self._engine.close()

    def events(self) -> AsyncIterator[ContainerEvent]:
        return self._hub.subscribe()

    async def run_sandbox(self, spec: SandboxSpec) -> SandboxStatus:
        if (running := self._watch.running_sandbox(spec.uid)) is not None:
            data = await self._inspect(running)
            if data is not None and data["State"]["Running"]:
                return translate.sandbox_status(data)
        try:
            created = await self._make_sandbox(spec)
            await self._engine.post(f"/containers/{created}/start")
        except EngineFault as fault:
            raise RuntimeFault("FailedCreatePodSandBox", fault.message) from fault
        data = await self._inspect(created)
        if data is None:
            raise RuntimeFault("FailedCreatePodSandBox", "the sandbox was removed as soon as it was made")
        return translate.sandbox_status(data)

    async def _make_sandbox(self, spec: SandboxSpec) -> str:
        network, resolver = "none", ""
        if spec.host_network:
            network = f"container:{await self._anchor.ensure(self._tool_mounts())}"
            resolver = await asyncio.to_thread(self._write_resolver, spec)
        for _ in range(2):
            body = translate.sandbox_body(spec, self._pause, self._own, network=network, resolver=resolver)
            try:
                return await self._create(body)
            except EngineFault as fault:
                if "No such image" not in fault.message:
                    raise
                await self._ensure_builtin()  # somebody has cleaned the engine up
        raise RuntimeFault("FailedCreatePodSandBox", "the engine loses the pause image")

    async def _images_in_use(self) -> set[str]:
        return {str(entry["ImageID"]) for entry in await self._engine.get("/containers/json", all=True)}

    async def _ensure_builtin(self) -> None:
        self._pause = await self.images.ensure_builtin(self._facts, self._architecture, self._home)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        for status in await self.list_containers():
            if status.sandbox_id == sandbox_id:
                await self.stop_container(status.id, grace_seconds=0)
        await self._kill(sandbox_id, "KILL")
        while (data := await self._inspect(sandbox_id)) is not None and data["State"]["Running"]:
            await self._clock.sleep(_POLL_SECONDS)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        data = await self._inspect(sandbox_id)
        await self.stop_sandbox(sandbox_id)
        for status in await self.list_containers():
            if status.sandbox_id == sandbox_id:
                await self.remove_container(status.id)
        await self._delete(sandbox_id)
        if data is not None and (path := data["Config"]["Labels"].get(labels.RESOLVER)):
            await asyncio.to_thread(shutil.rmtree, Path(path).parent, True)

    async def list_sandboxes(self) -> list[SandboxStatus]:
        return [translate.sandbox_status(data) for data in await self._all("sandbox")]

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str:
        sandbox = await self._inspect(sandbox_id, state="running")
        if sandbox is None or not sandbox["State"]["Running"]:
            raise RuntimeFault("CreateContainerError", f"sandbox {sandbox_id!r} is not running")
        image = await self.images.ensure(spec.image, pull_policy="Never")
        pid_mode = f"container:{spec.target_container_id}" if spec.target_container_id else sandbox_pid_mode(sandbox)
        termination = await asyncio.to_thread(self._make_termination_log)
        body = translate.container_body(
            spec, sandbox, image, self._own, termination=termination, pid_mode=pid_mode, on_engine=self._home.on_engine
        )
        self._fill_builtin(body, image.names, spec)
        try:
            created = await self._create(body)
            self._fresh[created] = sandbox_id
            return created
        except EngineFault as fault:
            kind = ImageFault if fault.status == 404 and "No such image" in fault.message else RuntimeFault
            raise kind("ErrImagePull" if kind is ImageFault else "CreateContainerError", fault.message) from fault

    async def start_container(self, container_id: str) -> None:
        sandbox_id = self._fresh.pop(container_id, None)
        if sandbox_id is None:  # not made by us just now: it may have run
            status = await self._status(container_id)
            sandbox_id = status.sandbox_id
            if status.state is ContainerState.EXITED:
                raise RuntimeFault("RunContainerError", f"container {container_id} has run already")
        try:
            await self._engine.post(f"/containers/{container_id}/start")
        except EngineFault as fault:
            self._inspected.pop(container_id, None)
            self._publish(sandbox_id, container_id, ContainerState.EXITED)
            raise RuntimeFault("RunContainerError", fault.message) from fault

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        data = await self._inspect(container_id)
        if data is None:
            return
        self._fresh.pop(container_id, None)
        if data["State"]["Status"] == "created":
            self._abandoned.add(container_id)
            self._publish(data["Config"]["Labels"].get(labels.SANDBOX, ""), container_id, ContainerState.EXITED)
            return
        exited = self._exit_of(container_id)
        if not data["State"]["Running"]:
            return
        if grace_seconds > 0 and await self._kill(container_id, data["Config"].get("StopSignal") or "TERM"):
            await wait_at_most(exited, grace_seconds, clock=self._clock, tasks=self._tasks)
        while not exited.is_set() and await self._kill(container_id, "KILL"):
            await wait_at_most(exited, 1.0, clock=self._clock, tasks=self._tasks)
        await self._gone_or_stopped(container_id)

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        try:
            await self._engine.post(f"/containers/{container_id}/update", translate.changed_limits_body(resources))
        except EngineFault as fault:
            raise RuntimeFault("ResizeError", fault.message) from fault

    async def update_pod_resources(self, sandbox_id: str, resources: Resources) -> None:
        """An engine has no group for a pod: its containers are limited one by one."""

    async def remove_container(self, container_id: str) -> None:
        data = await self._inspect(container_id)
        await self._delete(container_id)
        if data is not None and (path := data["Config"]["Labels"].get(labels.TERMINATION)):
            await asyncio.to_thread(shutil.rmtree, Path(path).parent, True)
        self._abandoned.discard(container_id)
        self._exits.pop(container_id, None)

    async def list_containers(self) -> list[ContainerStatus]:
        return [self._translated(data) for data in await self._all("container")]

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Streams:
        return await run_command(
            self._engine, container_id, command, tty=tty, stdin=stdin, tasks=self._tasks, clock=self._clock
        )

    async def attach(self, container_id: str, *, stdin: bool = False) -> Streams:
        data = await self._inspect(container_id)
        if data is None or not data["State"]["Running"]:
            raise RuntimeFault("AttachError", "the container is not running")
        tty = bool(data["Config"]["Tty"])
        query = {"stream": True, "stdout": True, "stderr": True, "stdin": stdin}
        connection = await self._engine.hijack(f"/containers/{container_id}/attach", **query)

        async def exit_code() -> int:
            await self._exit_of(container_id).wait()
            return int((await self._inspect(container_id) or data)["State"]["ExitCode"])

        async def resize(columns: int, rows: int) -> None:
            await self._engine.post(f"/containers/{container_id}/resize", h=rows, w=columns)

        async def hang_up() -> None:
            """The container goes on."""

        return HijackedStreams(
            connection, tty=tty, tasks=self._tasks, exit_code=exit_code, resize=resize, hang_up=hang_up
        )

    async def port_forward(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        data = await self._inspect(sandbox_id)
        if data is None or not data["State"]["Running"]:
            raise ConnectionRefusedError(111, f"sandbox {sandbox_id!r} is not running")
        return await portforward.connect(translate.sandbox_status(data).netns_path, port)

    async def usage(self) -> list[ContainerUsage]:
        running = [each.id for each in await self.list_containers() if each.state is ContainerState.RUNNING]
        return await usage_of(self._engine, running)

    async def reopen_log(self, container_id: str) -> None:
        if container_id in self._logs:
            self._logs[container_id][0].reopen()

    def _fill_builtin(self, body: dict[str, Any], names: Sequence[str], spec: ContainerSpec) -> None:
        """The built-in images are skeletons: the host's tools, and what the echo should say, are added here."""
        if not {ECHO, HOST} & set(names):
            return
        body["HostConfig"]["Mounts"] += self._tool_mounts()
        if ECHO in names:
            told = {"ports": ports(spec), "identity": identity(spec, self._own[labels.NODE])}
            body["Env"].append(f"{hosttools.CONFIG_VARIABLE}={json.dumps(told)}")

    def _tool_mounts(self) -> list[dict[str, Any]]:
        return [] if self._home.container else hosttools.mounts(self._facts)

    async def _create(self, body: dict[str, Any]) -> str:
        """POST /containers/create under a name of its own, by which a cancelled one is found and removed."""
        name = f"minik-{uuid.uuid4().hex}"
        try:
            return str((await self._engine.post("/containers/create", body, name=name))["Id"])
        except asyncio.CancelledError:
            self._tasks.spawn(self._delete(name), name=f"discard {name}")
            raise

    async def _changed(self, container_id: str, told: dict[str, str], running: bool) -> None:
        if not (running and self._is_known_running(container_id)):
            self._inspected.pop(container_id, None)
        if told.get(labels.KIND) == anchor.KIND:
            return
        if is_sandbox(told):
            if not running:
                self._hub.publish(ContainerEvent(container_id, "", ContainerState.EXITED))
            return
        sandbox_id = told.get(labels.SANDBOX, "")
        if running:
            self._follow_log(container_id, told)
            self._publish(sandbox_id, container_id, ContainerState.RUNNING)
            return
        await self._log_ended(container_id)
        self._exit_of(container_id).set()
        self._publish(sandbox_id, container_id, ContainerState.EXITED)

    def _is_known_running(self, container_id: str) -> bool:
        """Whether it was looked at after its start, before its start was told."""
        return container_id in self._inspected and self._inspected[container_id]["State"]["Running"]

    def _publish(self, sandbox_id: str, container_id: str, state: ContainerState) -> None:
        self._hub.publish(ContainerEvent(sandbox_id, container_id, state))

    def _follow_log(self, container_id: str, told: dict[str, str]) -> None:
        if told.get(labels.LOG) and container_id not in self._logs:
            copy = LogCopy(self._engine, container_id, Path(told[labels.LOG]), tty=bool(told.get(labels.TTY)))
            task = self._tasks.spawn(self._copy_log(copy), name=f"log of {container_id[:12]}")
            self._logs[container_id] = (copy, task)

    async def _copy_log(self, copy: LogCopy) -> None:
        with contextlib.suppress(RuntimeFault):
            await copy.follow()

    async def _log_ended(self, container_id: str) -> None:
        """Its log is complete before an exit is told; but nobody waits for ever."""
        if (entry := self._logs.pop(container_id, None)) is not None:
            await asyncio.wait([entry[1]], timeout=_LOG_SECONDS)
            entry[1].cancel()

    async def _all(self, kind: str) -> list[dict[str, Any]]:
        wanted = [f"{name}={value}" for name, value in {**self._own, labels.KIND: kind}.items()]
        found = await self._engine.get("/containers/json", all=True, filters={"label": wanted})
        inspected = await asyncio.gather(*(self._inspect(entry["Id"], state=entry["State"]) for entry in found))
        return [data for data in inspected if data is not None]

    async def _inspect(self, container_id: str, *, state: str = "") -> dict[str, Any] | None:
        """``/containers/ID/json``, from memory where the engine's list shows that nothing changed; None if gone."""
        known = self._inspected.get(container_id)
        if known is not None and state and known["State"]["Status"] == state != "created":
            return known
        try:
            data: dict[str, Any] = await self._engine.get(f"/containers/{container_id}/json")
        except EngineFault as fault:
            if fault.status in (400, 404):
                return None
            raise
        self._inspected[container_id] = data
        return data

    async def _status(self, container_id: str) -> ContainerStatus:
        data = await self._inspect(container_id)
        if data is None:
            raise RuntimeFault("ContainerNotFound", f"container {container_id!r} is not here")
        return self._translated(data)

    def _translated(self, data: dict[str, Any]) -> ContainerStatus:
        path = data["Config"]["Labels"].get(labels.TERMINATION)
        words = _last_words(path) if path and not data["State"]["Running"] else ""
        return translate.container_status(data, abandoned=data["Id"] in self._abandoned, last_words=words)

    async def _kill(self, container_id: str, number: str) -> bool:
        """Whether it was running."""
        try:
            await self._engine.post(f"/containers/{container_id}/kill", signal=number)
        except EngineFault as fault:
            if fault.status in (404, 409) or "is not running" in fault.message:
                return False
            raise
        return True

    async def _delete(self, container_id: str) -> None:
        self._inspected.pop(container_id, None)
        self._fresh.pop(container_id, None)
        try:
            await self._engine.delete(f"/containers/{container_id}", force=True, v=True)
        except EngineFault as fault:
            if fault.status not in (400, 404, 409):
                raise

    async def _gone_or_stopped(self, container_id: str) -> None:
        while (data := await self._inspect(container_id)) is not None and data["State"]["Running"]:
            await self._clock.sleep(_POLL_SECONDS)

    def _exit_of(self, container_id: str) -> asyncio.Event:
        return self._exits.setdefault(container_id, asyncio.Event())

    def _make_termination_log(self) -> str:
        path = self._own_file("termination-log")
        path.touch()
        path.chmod(0o666)
        return str(path)

    def _write_resolver(self, spec: SandboxSpec) -> str:
        path = self._own_file("resolv.conf")
        path.write_text(spec.resolv_conf)
        return str(path)

    def _own_file(self, name: str) -> Path:
        directory = self._state_dir / uuid.uuid4().hex
        directory.mkdir(parents=True)
        return directory / name


def sandbox_pid_mode(sandbox: dict[str, Any]) -> str:
    """The PidMode of containers in it."""
    if sandbox["HostConfig"].get("PidMode") == "host":
        return "host"
    return f"container:{sandbox['Id']}" if sandbox["Config"]["Labels"].get(labels.SHARE_PID) else ""


def _last_words(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST_MESSAGE).decode(errors="replace")
    except OSError:
        return ""
