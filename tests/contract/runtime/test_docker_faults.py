"""A Docker engine whose disk is full, and one that is killed while it pulls."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from archives import NAME, archive
from harness import FOREVER, TIMEOUT, Harness

from agent.runtime.docker.runtime import DockerRuntime
from agent.runtime.protocol import ContainerState, ImageFault, RuntimeFault
from tests.support.engine import PrivateEngine, private_engine
from tests.support.registry import Registry


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _layer(size: int) -> bytes:
    """Bytes that no compression makes smaller."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = size
        tar.addfile(info, io.BytesIO(os.urandom(size)))
    return buffer.getvalue()


@pytest.fixture
def small_engine() -> Iterator[PrivateEngine]:
    yield from private_engine(disk="64m")


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


async def test_a_full_disk(small_engine: PrivateEngine, tmp_path: Path) -> None:
    """What runs goes on; what cannot be made says why; with room again all is as before."""
    runtime = DockerRuntime(engine_socket=small_engine.socket, state_dir=tmp_path / "state", node_name="n")
    await runtime.start()
    try:
        await runtime.images.load(_pieces(archive()))
        harness = Harness(runtime, NAME, tmp_path)
        log = tmp_path / "log"
        counting = ("sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done")
        container = await harness.run(counting, log_path=log)
        await harness.log(container, "line 3")
        filler = small_engine.directory / "data" / "filler"
        await asyncio.to_thread(_fill, filler)
        with pytest.raises(RuntimeFault, match="no space left on device"):
            await harness.sandbox()
        with pytest.raises(ImageFault, match="no space left on device"):
            await runtime.images.load(_pieces(archive(user="web")))
        assert (await harness.status(container)).state is ContainerState.RUNNING
        filler.unlink()
        assert (await harness.output(await harness.run(FOREVER), "true"))[0] == 0
        await harness.log(container, f"line {log.read_text().count('line') + 5}")
        for sandbox in await runtime.list_sandboxes():
            await runtime.remove_sandbox(sandbox.id)
    finally:
        await runtime.stop()


class Gate:
    """Before a registry: lets ``limit`` bytes of its answers through, and the rest when it is opened."""

    def __init__(self, port: int, limit: int) -> None:
        self._port, self._left = port, limit
        self._opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def open(self) -> None:
        self._opened.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self._port)
        asking = asyncio.ensure_future(self._copy(reader, downstream, limited=False))
        try:
            await self._copy(upstream, writer, limited=True)
        finally:
            asking.cancel()
            for each in (writer, downstream):
                each.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, limited: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 14):
                if limited and not self._opened.is_set():
                    self._left -= len(data)
                    if self._left < 0:
                        self.closed.set()
                        await self._opened.wait()
                target.write(data)
                await target.drain()


async def test_an_engine_that_is_killed_while_it_pulls(
    docker_runtime: Harness, engine: PrivateEngine, tmp_path: Path
) -> None:
    """The pull fails as one whose registry is away; the next one gets the image, whole."""
    images = docker_runtime.runtime.images
    registry = Registry(tmp_path)
    await asyncio.to_thread(registry.start)
    try:
        await asyncio.to_thread(registry.push, "own/large:1", [_layer(4 << 20)], {"Cmd": ["/file"]})
        async with Gate(registry.port, 1 << 20) as gate:
            name = f"127.0.0.1:{gate.port}/own/large:1"
            pulling = asyncio.ensure_future(images.ensure(name, pull_policy="IfNotPresent"))
            async with asyncio.timeout(TIMEOUT):
                await gate.closed.wait()
            await asyncio.to_thread(engine.stop, signal.SIGKILL)
            with pytest.raises(RuntimeFault):
                await pulling
            gate.open()
            await asyncio.to_thread(engine.start)
            found = await images.ensure(name, pull_policy="IfNotPresent")
            assert found.size_bytes >= 4 << 20
            await images.remove(found.id)
    finally:
        registry.stop()


async def test_a_pull_whose_agent_is_killed(docker_runtime: Harness, engine: PrivateEngine, tmp_path: Path) -> None:
    """The engine gives it up with the connection; the agent that comes back pulls again and keeps its record."""
    registry = Registry(tmp_path)
    await asyncio.to_thread(registry.start)
    killed = DockerRuntime(engine_socket=engine.socket, state_dir=tmp_path / "again", node_name="again")
    await killed.start()
    try:
        await asyncio.to_thread(registry.push, "own/other:1", [_layer(4 << 20)], {"Cmd": ["/file"]})
        async with Gate(registry.port, 1 << 20) as gate:
            name = f"127.0.0.1:{gate.port}/own/other:1"
            pulling = asyncio.ensure_future(killed.images.ensure(name, pull_policy="IfNotPresent"))
            async with asyncio.timeout(TIMEOUT):
                await gate.closed.wait()
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)
            gate.open()
            found = await docker_runtime.runtime.images.ensure(name, pull_policy="IfNotPresent")
            records = list((docker_runtime.directory / "state" / "pulled-images").iterdir())
            assert [found.id.replace(":", "-") in record.name for record in records] == [True]
            assert not (tmp_path / "again" / "pulled-images").exists()
            await docker_runtime.runtime.images.remove(found.id)
    finally:
        await killed.stop()
        registry.stop()
