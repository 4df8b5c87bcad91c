"""Every test leaves the process as it found it: no task, socket, child process or thread stays behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.descriptors import open_descriptors

#: Threads that libraries keep for the life of the process on purpose.
_SHARED_THREADS = ("asyncio_", "ThreadPoolExecutor", "pytest_timeout", "execnet", "Dummy")


def _sockets() -> set[str]:
    return open_descriptors("socket:", "net:", "mnt:", "pid:", "user:")


def _children() -> set[int]:
    path = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return {int(pid) for pid in path.read_text().split()} if path.exists() else set()


def _threads() -> set[str]:
    names = (thread.name for thread in threading.enumerate())
    return {name for name in names if not name.startswith(_SHARED_THREADS)}


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that leaves sockets, namespaces, children or threads."""
    before = _sockets(), _children(), _threads()
    yield
    deadline = time.monotonic() + 2.0
    while True:
        left = [
            *(_sockets() - before[0]),
            *(f"process {pid}" for pid in _children() - before[1]),
            *(f"thread {name}" for name in _threads() - before[2]),
        ]
        if not left or time.monotonic() > deadline:
            break
        gc.collect()  # a closed transport drops its socket when its last frame goes
        time.sleep(0.01)
    assert not left, f"left behind: {', '.join(sorted(left))}"


@pytest_asyncio.fixture(autouse=True)
async def _no_task_left_behind(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fails the asynchronous test that leaves a task running on its loop."""
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks(loop)
    yield
    for _ in range(20):
        left = asyncio.all_tasks(loop) - before - {asyncio.current_task(loop)}
        if not left:
            return
        await asyncio.sleep(0.01)
    names = sorted(task.get_name() for task in left)
    for task in left:
        task.cancel()
    pytest.fail(f"tasks left behind: {', '.join(names)}")
