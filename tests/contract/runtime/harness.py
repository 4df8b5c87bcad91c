"""What the contract needs of a runtime under test: specs that behave in a known way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.runtime.protocol import ContainerSpec, ContainerState, ContainerStatus, Runtime, SandboxSpec, SandboxStatus

TIMEOUT = 60.0

#: Commands of the contract. The simulated runtime has a script for each; the others run them.
FOREVER: tuple[str, ...] = ()  # the image's own: a server that stops at TERM
STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
SUCCEED = ("sh", "-c", "exit 0")
FAIL = ("sh", "-c", "echo because > /dev/termination-log; exit 3")
UNKNOWN = ("no-such-program",)


@dataclass
class Harness:
    """A started runtime and shorthands for using it."""

    runtime: Runtime
    image: str
    directory: Path
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def sandbox(self, **changes: Any) -> SandboxStatus:
        number = next(self.numbers)
        values = {"namespace": "default", "name": f"pod-{number}", "uid": f"uid-{number}", "hostname": f"pod-{number}"}
        return await self.runtime.run_sandbox(SandboxSpec(**{**values, **changes}))

    def spec(self, command: tuple[str, ...] = FOREVER, **changes: Any) -> ContainerSpec:
        values: dict[str, Any] = {"name": "app", "image": self.image, "attempt": 0, "command": command}
        return ContainerSpec(**{**values, **changes})

    async def run(self, command: tuple[str, ...] = FOREVER, *, sandbox: str = "", **changes: Any) -> str:
        """A started container, in a sandbox of its own unless one is given."""
        sandbox = sandbox or (await self.sandbox()).id
        container = await self.runtime.create_container(sandbox, self.spec(command, **changes))
        await self.runtime.start_container(container)
        return container

    async def status(self, container_id: str) -> ContainerStatus:
        return next(each for each in await self.runtime.list_containers() if each.id == container_id)

    async def exited(self, container_id: str) -> ContainerStatus:
        """Its status once it has exited."""
        events = self.runtime.events()
        async with asyncio.timeout(TIMEOUT):
            while (status := await self.status(container_id)).state is not ContainerState.EXITED:
                await anext(events)
        return status

    async def log(self, container_id: str, wanted: str) -> str:
        """The log once it holds ``wanted``."""
        path = (await self.status(container_id)).log_path
        assert path is not None
        async with asyncio.timeout(TIMEOUT):
            while not path.exists() or wanted not in path.read_text():  # noqa: ASYNC110 - a file says nothing itself
                await asyncio.sleep(0.005)
        return path.read_text()

    async def output(self, container_id: str, *command: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command in the container."""
        streams = await self.runtime.exec(container_id, command, stdin=bool(stdin))
        if stdin:
            await streams.write_stdin(stdin)
            await streams.close_stdin()
        async with asyncio.timeout(TIMEOUT):
            out, err = await asyncio.gather(streams.stdout.read(), streams.stderr.read())
            code = await streams.wait()
        await streams.close()
        return code, out.decode(), err.decode()


async def collect(events: AsyncIterator[Any], count: int) -> list[Any]:
    """The next ``count`` events."""
    async with asyncio.timeout(TIMEOUT):
        return [await anext(events) for _ in range(count)]


async def collect_exits(events: AsyncIterator[Any], count: int) -> list[Any]:
    """The next ``count`` exits: that something has started may still be told after ``start_container`` has returned."""
    exits: list[Any] = []
    while len(exits) < count:
        exits += [event for event in await collect(events, 1) if event.state is ContainerState.EXITED]
    return exits
