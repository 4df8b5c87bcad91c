"""Random work, cancelled and interrupted: afterwards the runtime tells the truth and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from archives import NAME, archive
from harness import FOREVER, STUBBORN, SUCCEED, TIMEOUT, UNKNOWN, Harness

from agent.images.store import LocalImages
from agent.runtime.protocol import ContainerState, RuntimeFault
from minikube_py.linux import cgroups

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def harness(process_runtime: Harness) -> Harness:
    return process_runtime


async def _one_pod(harness: Harness, generator: random.Random) -> None:
    """A pod's life with random turns; faults are expected, hanging is not."""
    with contextlib.suppress(RuntimeFault, TimeoutError):
        sandbox = await harness.sandbox(share_process_namespace=generator.random() < 0.3)
        for number in range(generator.randint(1, 3)):
            command = generator.choice((FOREVER, SUCCEED, STUBBORN, UNKNOWN))
            spec = harness.spec(command, name=f"c{number}", log_path=harness.directory / f"log-{generator.random()}")
            container = await harness.runtime.create_container(sandbox.id, spec)
            patience = generator.choice((0.001, 0.01, TIMEOUT))
            await asyncio.wait_for(harness.runtime.start_container(container), patience)
            await _disturb(harness, container, generator)
        await asyncio.wait_for(harness.runtime.stop_sandbox(sandbox.id), generator.choice((0.001, TIMEOUT)))


async def _disturb(harness: Harness, container: str, generator: random.Random) -> None:
    turn = generator.choice(("kill", "exec", "stop", "remove", "nothing"))
    if turn == "kill" and (pid := (await harness.status(container)).pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    elif turn == "exec":
        streams = await harness.runtime.exec(container, ["sleep", "1000"])
        await streams.close()
    elif turn == "stop":
        await asyncio.wait_for(harness.runtime.stop_container(container, grace_seconds=0.05), TIMEOUT)
    elif turn == "remove":
        await harness.runtime.remove_container(container)


async def _clear(harness: Harness) -> None:
    for sandbox in await harness.runtime.list_sandboxes():
        await harness.runtime.remove_sandbox(sandbox.id)


def _held(pid: int, directory: Path) -> tuple[int, list[str]]:
    """How many descriptors the machine has, and what it has mounted below ``directory``; others mount elsewhere."""
    lines = Path(f"/proc/{pid}/mounts").read_text().splitlines()
    return len(os.listdir(f"/proc/{pid}/fd")), [line for line in lines if f" {directory}/" in line]


def _descendants(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _groups(directory: Path) -> list[str]:
    """The control groups that are left below the machine's own."""
    own = cgroups.detect(cgroups.name_for(str(directory / "state")))  # made already; only looked at
    return own.children() if own else []


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_leaks_and_the_lists_are_true(harness: Harness, machine: Any, seed: int) -> None:
    generator = random.Random(seed)
    await _one_pod(harness, generator)
    await _clear(harness)
    pid = harness.runtime._client.machine_pid  # type: ignore[attr-defined]
    before = _held(pid, harness.directory)
    async with asyncio.timeout(3 * TIMEOUT):
        for _ in range(4):
            await asyncio.gather(*(_one_pod(harness, random.Random(generator.random())) for _ in range(6)))
    for status in await harness.runtime.list_containers():
        if status.state is ContainerState.RUNNING and not os.path.exists(f"/proc/{status.pid}"):  # noqa: ASYNC240
            await harness.exited(status.id)  # it has just ended by itself
    async with asyncio.timeout(TIMEOUT):
        await _clear(harness)
        while _descendants(pid) or _held(pid, harness.directory) != before or _groups(harness.directory):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for name in ("containers", "sandboxes"):
        assert list((harness.directory / "state" / name).iterdir()) == []


LOADER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from agent.images.store import LocalImages
print("loading", flush=True)
LocalImages(Path(sys.argv[2])).load_file(open(sys.argv[3], "rb"))
"""


def test_a_load_that_is_killed_leaves_a_usable_store(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(archive())
    store = tmp_path / "images"
    generator = random.Random(9)
    for _ in range(8):
        arguments = [sys.executable, "-c", LOADER, str(ROOT), str(store), str(tmp_path / "a.tar")]
        loader = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        with loader:
            assert loader.stdout is not None
            loader.stdout.readline()
            time.sleep(generator.random() * 0.03)
            loader.kill()
        found = LocalImages(store).find(NAME)
        assert found is None or (Path(found.rootfs) / "own/file").exists()
    LocalImages(store).load_file(io.BytesIO(archive()))
    found = LocalImages(store).find(NAME)
    assert found is not None
    assert (Path(found.rootfs) / "own/file").read_text() == "from the image\n"
