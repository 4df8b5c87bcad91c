"""Long work on the event loop, cut so that others get their turn: what counts is how long it takes, not how much it is.

An object may be a hundred bytes or a megabyte, and its form a copy or a computation; only the clock knows the cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final, Protocol

#: Seconds of work after which others get their turn.
TURN: Final = 0.004
#: What is written before others get theirs: a millisecond of work, five when it is compressed.
SLICE: Final = 512 * 1024


class Pace:
    """The pace of one piece of work, which asks ``is_due`` every now and then and then waits for ``turn``."""

    def __init__(self) -> None:
        self._end = perf_counter() + TURN

    def is_due(self) -> bool:
        """Whether the work has gone on for its time."""
        return perf_counter() >= self._end

    async def turn(self) -> None:
        """Let everything else that is ready run once."""
        await asyncio.sleep(0)
        self._end = perf_counter() + TURN


class Outlet(Protocol):
    """Where something long is written to."""

    async def drained(self) -> None:
        """Wait while its reader is behind."""
        ...


async def write_paced(pieces: Iterable[list[bytes]], outlet: Outlet, write: Callable[[list[bytes], int], None]) -> None:
    """Make ``pieces`` and write them in slices (their parts, and how many bytes these have), at the reader's pace."""
    pace = Pace()
    parts: list[bytes] = []
    size = 0
    for more in pieces:
        parts += more
        size += sum(map(len, more))
        if size >= SLICE or pace.is_due():
            write(parts, size)
            parts, size = [], 0
            await outlet.drained()
            await pace.turn()
    write(parts, size)
