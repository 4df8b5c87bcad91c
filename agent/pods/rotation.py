"""Keeps container logs from filling the disk: files past a size are renamed, a few old ones are kept.

The kubelet's defaults (containerLogMaxSize 10Mi, containerLogMaxFiles 5). Old files are kept as they are rather than
compressed: a reader that follows a log may still have them open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.runtime.protocol import ContainerState, ContainerStatus, Runtime, RuntimeFault
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet

_log = logging.getLogger(__name__)
MAX_BYTES = 10 * 1024 * 1024
MAX_FILES = 5
CHECK_SECONDS = 10.0


class LogRotation:
    """Looks at the logs of running containers every ten seconds."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        clock: Clock,
        containers: Callable[[], Iterable[ContainerStatus]],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._containers = containers
        self._max_bytes = max_bytes
        self._tasks = TaskSet("log-rotation")

    def start(self) -> None:
        self._tasks.spawn(self._keep(), name="loop")

    async def stop(self) -> None:
        await self._tasks.close()

    async def rotate_all(self) -> None:
        """Rotate what has grown too large."""
        running = [one for one in self._containers() if one.state is ContainerState.RUNNING and one.log_path]
        grown = await asyncio.to_thread(_grown, running, self._max_bytes)
        for status in grown:
            try:
                await self._rotate(status)
            except (OSError, RuntimeFault) as error:
                _log.warning("cannot rotate %s: %s", status.log_path, error)

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            await self.rotate_all()

    async def _rotate(self, status: ContainerStatus) -> None:
        assert status.log_path is not None
        name = f"{status.log_path.name}.{self._clock.now():%Y%m%d-%H%M%S}"
        renamed = status.log_path.with_name(name)
        await asyncio.to_thread(_rename, status.log_path, renamed)
        try:
            await self._runtime.reopen_log(status.id)
        except RuntimeFault:
            await asyncio.to_thread(renamed.rename, status.log_path)
            raise


def _grown(statuses: list[ContainerStatus], limit: int) -> list[ContainerStatus]:
    return [status for status in statuses if status.log_path is not None and _size(status.log_path) > limit]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _rename(path: Path, renamed: Path) -> None:
    """Make room for one more old file, then rename."""
    old = sorted(path.parent.glob(f"{path.name}.*"))
    for surplus in old[: max(len(old) - (MAX_FILES - 2), 0)]:
        surplus.unlink(missing_ok=True)
    path.rename(renamed)
