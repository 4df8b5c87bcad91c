"""Long work in slices: others get their turn by the clock and by the amount, and nothing is lost or empty."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from apiserver.routes import pacing
from apiserver.routes.pacing import write_paced


class Log:
    """What happened, in order: slices written, waits for the reader, turns of another task."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.written = b""

    async def drained(self) -> None:
        self.events.append("drained")

    def write(self, parts: list[bytes], size: int) -> None:
        assert size == sum(map(len, parts))
        self.events.append(f"write {size}")
        self.written += b"".join(parts)

    async def others(self) -> None:
        while True:
            self.events.append("other")
            await asyncio.sleep(0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the work: stands still unless it is moved."""
    moment = [0.0]
    monkeypatch.setattr(pacing, "perf_counter", lambda: moment[0])
    return moment


async def test_what_is_short_is_written_at_once(now: list[float]) -> None:
    log = Log()
    await write_paced(iter([[b"a", b"b"], [], [b"c"]]), log, log.write)
    assert (log.events, log.written) == (["write 3"], b"abc")


async def test_much_is_cut_by_amount(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SLICE", 4)
    log = Log()
    await write_paced(([b"abc"] for _ in range(5)), log, log.write)
    assert log.events == ["write 6", "drained", "write 6", "drained", "write 3"]
    assert log.written == b"abc" * 5


async def test_what_takes_long_is_cut_by_the_clock_and_others_run_between(now: list[float]) -> None:
    log = Log()

    def pieces() -> Iterator[list[bytes]]:
        for _ in range(3):
            now[0] += 0.003
            yield [b"x"]

    async with asyncio.TaskGroup() as group:
        other = group.create_task(log.others())
        await write_paced(pieces(), log, log.write)
        other.cancel()
    assert log.events == ["write 2", "drained", "other", "write 1"]
