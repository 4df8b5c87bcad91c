"""Runs the contract over every runtime that this machine can run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.images.store import LocalImages
from agent.runtime.docker.runtime import DockerRuntime
from agent.runtime.process.runtime import ProcessRuntime
from agent.runtime.protocol import ContainerSpec, RuntimeFault, SandboxSpec
from agent.runtime.simulated import Script, SimulatedRuntime
from minikube_py.aio.clock import SystemClock
from minikube_py.linux import cgroups
from tests.support.engine import PrivateEngine, private_engine

sys.path.insert(0, str(Path(__file__).parent))  # the harness is shared by this folder only

from archives import NAME, archive
from harness import FAIL, STUBBORN, SUCCEED, UNKNOWN, Harness

_SCRIPTS = {
    SUCCEED: Script(exit_after=0.0),
    FAIL: Script(exit_after=0.0, exit_code=3, message="because\n"),
    STUBBORN: Script(stop_seconds=3600.0),
    UNKNOWN: Script(start_fault=RuntimeFault("RunContainerError", 'exec: "no-such-program": not found')),
}


@dataclass
class MachineProcess:
    """A machine as the supervisor starts it, in namespaces of its own."""

    directory: Path
    node_name: str = "node-1"
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def socket(self) -> Path:
        return self.directory / "machine.sock"

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    @property
    def image_dir(self) -> Path:
        return self.directory / "images"

    def start(self) -> None:
        config = self.directory / "machine.json"
        values = {"node_name": self.node_name, "state_dir": self.state_dir, "socket": self.socket,
                  "image_dir": self.image_dir}  # fmt: skip
        config.write_text(json.dumps({key: str(value) for key, value in values.items()}))
        launcher = Path(__file__).with_name("launch_machine.py")
        self.process = subprocess.Popen([sys.executable, str(launcher), str(config)])

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def runtime(self) -> ProcessRuntime:
        images = LocalImages(self.image_dir)
        return ProcessRuntime(
            machine_socket=self.socket, image_store=images, state_dir=self.state_dir, node_name=self.node_name
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[MachineProcess]:
    if os.geteuid() != 0:
        pytest.skip("needs root or a user namespace")
    directory = tmp_path / "machine"
    directory.mkdir()
    machine = MachineProcess(directory)
    machine.start()
    yield machine
    machine.stop()
    cgroups.sweep(cgroups.name_for(str(machine.state_dir)))  # what a killed one left


@pytest.fixture
async def process_runtime(machine: MachineProcess) -> AsyncIterator[Harness]:
    runtime = machine.runtime()
    await runtime.start()
    yield Harness(runtime, "minik.local/echo", machine.directory)
    await runtime.stop()


def _script(_sandbox: SandboxSpec, spec: ContainerSpec) -> Script:
    return _SCRIPTS.get(spec.command, Script())


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine]:
    """A private Docker engine; its tests are skipped where there is none to be had."""
    yield from private_engine()


async def _docker(engine: PrivateEngine, tmp_path: Path) -> AsyncIterator[Harness]:
    runtime = DockerRuntime(
        engine_socket=engine.socket, state_dir=tmp_path / "state", node_name=f"n-{uuid.uuid4().hex[:8]}"
    )
    await runtime.start()

    async def once() -> AsyncIterator[bytes]:
        yield archive()

    await runtime.images.load(once())
    yield Harness(runtime, NAME, tmp_path)
    for sandbox in await runtime.list_sandboxes():
        await runtime.remove_sandbox(sandbox.id)
    for container in await runtime.list_containers():
        await runtime.remove_container(container.id)
    await runtime.stop()


@pytest.fixture
async def docker_runtime(engine: PrivateEngine, tmp_path: Path) -> AsyncIterator[Harness]:
    async for harness in _docker(engine, tmp_path):
        yield harness


@pytest.fixture(params=["process", "simulated", "docker"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "simulated":
        yield Harness(SimulatedRuntime(clock=SystemClock(), scripts=_script), "anything", tmp_path)
        return
    if request.param == "docker":
        async for harness in _docker(request.getfixturevalue("engine"), tmp_path):
            yield harness
        return
    machine: MachineProcess = request.getfixturevalue("machine")
    runtime = machine.runtime()
    await runtime.start()
    yield Harness(runtime, "minik.local/echo", machine.directory)
    await runtime.stop()
    await asyncio.sleep(0)
