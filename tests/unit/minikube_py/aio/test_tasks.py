"""Task sets: names, failures, closing."""

from __future__ import annotations

import asyncio
import logging

import pytest

from minikube_py.aio.tasks import TaskSet


async def test_tasks_carry_their_owners_name_and_return_values() -> None:
    tasks = TaskSet("owner")

    async def work() -> int:
        return 42

    task = tasks.spawn(work(), name="work")
    assert task.get_name() == "owner/work"
    assert await task == 42
    await asyncio.sleep(0)
    assert len(tasks) == 0
    await tasks.close()


async def test_a_failure_is_logged_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[tuple[str, BaseException]] = []
    tasks = TaskSet("owner", on_failure=lambda name, error: failures.append((name, error)))

    async def work() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait({tasks.spawn(work(), name="work")})
        await asyncio.sleep(0)
    assert [(name, str(error)) for name, error in failures] == [("owner/work", "broken")]
    assert "task owner/work failed" in caplog.text
    await tasks.close()


async def test_close_cancels_and_waits() -> None:
    tasks, ended = TaskSet("owner"), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    tasks.spawn(work(), name="work")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == ["work"]
    await tasks.close()


async def test_a_closed_set_refuses_work() -> None:
    tasks = TaskSet("owner")
    await tasks.close()
    with pytest.raises(RuntimeError, match="task set 'owner' is closed: cannot start 'late'"):
        tasks.spawn(asyncio.sleep(0), name="late")


async def test_a_task_may_close_its_own_set() -> None:
    tasks = TaskSet("owner")
    other = tasks.spawn(asyncio.Event().wait(), name="other")
    await asyncio.wait_for(tasks.spawn(tasks.close(), name="closer"), 60)
    assert other.cancelled()
