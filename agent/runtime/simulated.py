"""A runtime whose containers are entries in a table: deterministic, moved by a Clock, scripted.

It carries the same contract as the real ones (tests/contract/runtime), so that what is built on a runtime can be tested
without processes, and so that one machine can play thousands of nodes.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.runtime.events import EventHub
from agent.runtime.protocol import (
    ContainerEvent,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ContainerUsage,
    ImageFault,
    ImageInfo,
    Progress,
    Resources,
    RuntimeFault,
    SandboxSpec,
    SandboxStatus,
    Streams,
    unwatched,
)
from minikube_py.aio.clock import Clock, Timer
from minikube_py.api.types import Object


@dataclass(frozen=True, slots=True)
class Script:
    """What one container does. It runs for ever and stops with 0 at the stop signal unless told otherwise."""

    start_seconds: float = 0.0
    start_fault: RuntimeFault | None = None
    exit_after: float | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    stop_seconds: float = 0.0
    stop_code: int = 0
    memory_bytes: int = 1 << 20
    output: bytes = b""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a simulated command answers."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


Scripts = Callable[[SandboxSpec, ContainerSpec], Script]
ExecHandler = Callable[[ContainerStatus, tuple[str, ...], bytes], ExecResult]
PortHandler = Callable[[SandboxStatus, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class SimulatedImages:
    """Every image exists, except those in ``missing``: they raise ImageFault until they are taken out."""

    def __init__(self, missing: Sequence[str] = ()) -> None:
        self.missing = set(missing)
        self.pulls: list[str] = []
        self._known: dict[str, ImageInfo] = {}

    async def ensure(
        self,
        image: str,
        *,
        pull_policy: str,
        pull_secrets: Sequence[Object] = (),  # noqa: ARG002
        on_progress: Progress = unwatched,  # noqa: ARG002
    ) -> ImageInfo:
        if image in self.missing:
            reason = "ErrImageNeverPull" if pull_policy == "Never" else "ErrImagePull"
            raise ImageFault(reason, f"image {image!r} is not in this simulation")
        if image not in self._known or pull_policy == "Always":
            self.pulls.append(image)
        return self._known.setdefault(image, ImageInfo(id=f"simulated:{image}", names=(image,), size_bytes=0))

    async def accessible(self, image: str, secrets: Sequence[Object]) -> bool:  # noqa: ARG002
        return True

    async def directory(self, image: str, *, pull_policy: str, pull_secrets: Sequence[Object] = ()) -> Path:
        await self.ensure(image, pull_policy=pull_policy, pull_secrets=pull_secrets)
        raise ImageFault("ErrImagePull", "simulated images have no files")

    async def list_images(self) -> list[ImageInfo]:
        return list(self._known.values())

    async def remove(self, image_id: str) -> None:
        self._known = {name: info for name, info in self._known.items() if info.id != image_id}


class SimulatedStreams:
    """A command that answers as soon as its input is complete (at once where it takes none)."""

    def __init__(self, answer: Callable[[bytes], ExecResult], *, tty: bool, stdin: bool) -> None:
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self.sizes: list[tuple[int, int]] = []
        self._answer = answer
        self._tty = tty
        self._input = bytearray()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if not stdin:
            self._finish()

    async def write_stdin(self, data: bytes) -> None:
        self._input += data

    async def close_stdin(self) -> None:
        self._finish()

    async def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def close(self) -> None:
        self._end(ExecResult(exit_code=137))

    def _finish(self) -> None:
        if not self._code.done():
            self._end(self._answer(bytes(self._input)))

    def _end(self, result: ExecResult) -> None:
        if self._code.done():
            return
        self.stdout.feed_data(result.stdout + (result.stderr if self._tty else b""))
        self.stderr.feed_data(b"" if self._tty else result.stderr)
        self.stdout.feed_eof()
        self.stderr.feed_eof()
        self._code.set_result(result.exit_code)


@dataclass(slots=True)
class _Container:
    spec: ContainerSpec
    script: Script
    status: ContainerStatus
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    timers: list[Timer] = field(default_factory=list)


@dataclass(slots=True)
class _Sandbox:
    spec: SandboxSpec
    status: SandboxStatus


async def _refuse(_: SandboxStatus, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raise ConnectionRefusedError(111, f"nothing listens on port {port} of a simulated pod")


class SimulatedRuntime:
    """Runtime over tables. ``exit`` and ``lose_sandbox`` are the hand of the test."""

    name = "simulated"
    version = "1"

    def __init__(
        self,
        *,
        clock: Clock,
        images: SimulatedImages | None = None,
        scripts: Scripts = lambda _sandbox, _container: Script(),
        on_exec: ExecHandler = lambda _container, _command, _stdin: ExecResult(),
        on_port: PortHandler = _refuse,
    ) -> None:
        self.images = images or SimulatedImages()
        self.on_exec = on_exec
        self.on_port = on_port
        self._clock = clock
        self._scripts = scripts
        self._hub: EventHub[ContainerEvent] = EventHub()
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._ids = itertools.count(1)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Containers go on: their timers stay set."""

    def events(self) -> AsyncIterator[ContainerEvent]:
        return self._hub.subscribe()

    async def run_sandbox(self, spec: SandboxSpec) -> SandboxStatus:
        for sandbox in self._sandboxes.values():
            if sandbox.spec.uid == spec.uid and sandbox.status.ready:
                return sandbox.status
        status = SandboxStatus(
            id=f"sandbox-{next(self._ids)}",
            namespace=spec.namespace,
            name=spec.name,
            uid=spec.uid,
            ready=True,
            netns_path="",
            created_at=self._clock.now(),
        )
        self._sandboxes[status.id] = _Sandbox(spec, status)
        return status

    async def stop_sandbox(self, sandbox_id: str) -> None:
        if sandbox_id in self._sandboxes:
            self._end_sandbox(self._sandboxes[sandbox_id])

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        for container_id in [each.status.id for each in self._of(sandbox_id)]:
            await self.remove_container(container_id)
        self._sandboxes.pop(sandbox_id, None)

    async def list_sandboxes(self) -> list[SandboxStatus]:
        return [sandbox.status for sandbox in self._sandboxes.values()]

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.status.ready:
            raise RuntimeFault("CreateContainerError", f"sandbox {sandbox_id!r} is not running")
        image = await self.images.ensure(spec.image, pull_policy="IfNotPresent")
        status = ContainerStatus(
            id=f"container-{next(self._ids)}",
            sandbox_id=sandbox_id,
            name=spec.name,
            attempt=spec.attempt,
            image=spec.image,
            image_id=image.id,
            state=ContainerState.CREATED,
            created_at=self._clock.now(),
            log_path=spec.log_path,
        )
        self._containers[status.id] = _Container(spec, self._scripts(sandbox.spec, spec), status)
        return status.id

    async def start_container(self, container_id: str) -> None:
        container = self._container(container_id)
        if container.status.state is ContainerState.RUNNING:
            return
        if container.status.state is ContainerState.EXITED:
            raise RuntimeFault("RunContainerError", f"container {container_id} has run already")
        if container.script.start_seconds:
            await self._clock.sleep(container.script.start_seconds)
        if (fault := container.script.start_fault) is not None:
            self._finish(container, 127, "StartError", fault.message)
            raise fault
        self._run(container)

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        container = self._containers.get(container_id)
        if container is None:
            return
        if container.status.state is ContainerState.CREATED:
            self._finish(container, 137, "", "")
        if container.status.state is ContainerState.EXITED:
            return
        willing = container.script.stop_seconds <= grace_seconds
        delay, code = (container.script.stop_seconds, container.script.stop_code) if willing else (grace_seconds, 137)
        self._later(container, delay, code, "", "")
        await container.exited.wait()

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        container = self._container(container_id)
        container.spec = replace(container.spec, resources=resources)

    async def update_pod_resources(self, sandbox_id: str, resources: Resources) -> None:
        """Nothing uses anything here."""

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.pop(container_id, None)
        if container is not None and container.status.state is ContainerState.RUNNING:
            self._finish(container, 137, "", "")

    async def list_containers(self) -> list[ContainerStatus]:
        return [container.status for container in self._containers.values()]

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Streams:
        status = self._running(container_id)
        return SimulatedStreams(lambda data: self.on_exec(status, tuple(command), data), tty=tty, stdin=stdin)

    async def attach(self, container_id: str, *, stdin: bool = False) -> Streams:
        container = self._container(container_id)
        self._running(container_id)
        result = ExecResult(stdout=container.script.output)
        return SimulatedStreams(lambda _data: result, tty=container.spec.tty, stdin=stdin)

    async def port_forward(self, sandbox_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.status.ready:
            raise ConnectionRefusedError(111, f"sandbox {sandbox_id!r} is not running")
        return await self.on_port(sandbox.status, port)

    async def usage(self) -> list[ContainerUsage]:
        return [
            ContainerUsage(each.status.id, self._seconds_run(each) * 1_000_000, each.script.memory_bytes)
            for each in self._containers.values()
            if each.status.state is ContainerState.RUNNING
        ]

    async def reopen_log(self, container_id: str) -> None:
        """There are no log files."""
        self._container(container_id)

    def exit(self, container_id: str, code: int = 0, *, reason: str = "", message: str = "") -> None:
        """The container's process ends now."""
        self._finish(self._container(container_id), code, reason, message)

    def lose_sandbox(self, sandbox_id: str) -> None:
        """The sandbox dies with all that runs in it, as after a crash of the machine below."""
        self._end_sandbox(self._sandboxes[sandbox_id])

    def spec(self, container_id: str) -> ContainerSpec:
        """What the container was made from."""
        return self._container(container_id).spec

    def _run(self, container: _Container) -> None:
        now = self._clock.now()
        container.status = replace(container.status, state=ContainerState.RUNNING, started_at=now)
        self._announce(container)
        script = container.script
        if script.exit_after is not None:
            self._later(container, script.exit_after, script.exit_code, script.reason, script.message)

    def _later(self, container: _Container, seconds: float, code: int, reason: str, message: str) -> None:
        if seconds <= 0:
            self._finish(container, code, reason, message)
            return
        timer = self._clock.call_later(seconds, lambda: self._finish(container, code, reason, message))
        container.timers.append(timer)

    def _finish(self, container: _Container, code: int, reason: str, message: str) -> None:
        if container.status.state is ContainerState.EXITED:
            return
        for timer in container.timers:
            timer.cancel()
        container.status = replace(
            container.status,
            state=ContainerState.EXITED,
            finished_at=self._clock.now(),
            exit_code=code,
            reason=reason or ("Completed" if code == 0 else "Error"),
            message=message,
        )
        container.exited.set()
        self._announce(container)

    def _end_sandbox(self, sandbox: _Sandbox) -> None:
        if not sandbox.status.ready:
            return
        sandbox.status = replace(sandbox.status, ready=False)
        for container in self._of(sandbox.status.id):
            if container.status.state is ContainerState.RUNNING:
                self._finish(container, 137, "", "")
        self._hub.publish(ContainerEvent(sandbox.status.id, "", ContainerState.EXITED))

    def _announce(self, container: _Container) -> None:
        status = container.status
        self._hub.publish(ContainerEvent(status.sandbox_id, status.id, status.state))

    def _of(self, sandbox_id: str) -> list[_Container]:
        return [each for each in self._containers.values() if each.status.sandbox_id == sandbox_id]

    def _container(self, container_id: str) -> _Container:
        container = self._containers.get(container_id)
        if container is None:
            raise RuntimeFault("ContainerNotFound", f"container {container_id!r} is not here")
        return container

    def _running(self, container_id: str) -> ContainerStatus:
        status = self._container(container_id).status
        if status.state is not ContainerState.RUNNING:
            raise RuntimeFault("ContainerNotRunning", f"container {status.name!r} is not running")
        return status

    def _seconds_run(self, container: _Container) -> int:
        started = container.status.started_at
        return int((self._clock.now() - started).total_seconds()) if started else 0
