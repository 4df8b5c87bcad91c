"""Tasks with an owner: named, seen when they die, gone when their owner closes.

A bare ``asyncio.create_task`` can be collected mid-flight, fails in silence and outlives the object that needed it.
Everything that runs beside its caller is therefore spawned by a TaskSet that somebody owns and closes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: A task may swallow a cancellation (asyncio.wait_for did until 3.12): ask again this often while closing.
_RECANCEL_SECONDS = 1.0


class TaskSet:
    """The tasks of one owner.

    ``on_failure(task_name, error)`` is called on the loop for every task that ends with an exception other than its
    cancellation; the exception has then been logged already.
    """

    def __init__(self, name: str, *, on_failure: Callable[[str, BaseException], None] | None = None) -> None:
        self.name = name
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def closed(self) -> bool:
        """Whether spawns are refused."""
        return self._closed

    def spawn(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run ``coro`` beside the caller. Raises RuntimeError once the set is closed."""
        if self._closed:
            coro.close()
            raise RuntimeError(f"task set {self.name!r} is closed: cannot start {name!r}")
        task = asyncio.get_running_loop().create_task(coro, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def close(self) -> None:
        """Cancel every task and wait until all have ended. Further spawns are refused. Safe to call twice.

        A task that closes its own set is left to return by itself.
        """
        self._closed = True
        while tasks := self._tasks - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            _, stuck = await asyncio.wait(tasks, timeout=_RECANCEL_SECONDS)
            for task in stuck:
                _log.warning("task %s does not end, cancelling again", task.get_name())

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        _log.error("task %s failed", task.get_name(), exc_info=error)
        if self._on_failure is not None:
            self._on_failure(task.get_name(), error)
