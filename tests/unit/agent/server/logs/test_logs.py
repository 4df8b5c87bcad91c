"""Log lines, options, tails, and following a file through rotation to its container's end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.filewatch import DirectoryWatcher
from agent.server.logs.cri import BadLogOptions, LogFilter, LogOptions, log_options, parse_entry, tail_offset
from agent.server.logs.reader import LogReader
from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def line(text: str, *, second: int = 0, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"2026-01-01T00:00:{second:02}.123456789Z {stream} {tag} {text}".encode()


LINES = [
    line("one"),
    line("two ", second=1, tag="P"),
    line("three", second=2),
    line("oops", second=3, stream="stderr"),
    b"torn",
    line("four", second=4),
]


def shown(**options: Any) -> str:
    filtered = LogFilter(LogOptions(**options))
    return b"".join(map(filtered.feed, LINES)).decode()


def test_pieces_of_a_line_are_joined_and_torn_lines_left_out() -> None:
    assert shown() == "one\ntwo three\noops\nfour\n"


def test_options() -> None:
    assert shown(limit_bytes=6) == "one\ntw"
    assert shown(stream="Stderr") == "oops\n"
    assert shown(since=datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)) == "oops\nfour\n"
    stamped = shown(timestamps=True).splitlines()
    assert stamped[1] == "2026-01-01T00:00:01.123456789Z two three"
    assert len(stamped) == 4


def test_an_empty_line_is_a_line() -> None:
    assert parse_entry(b"2026-01-01T00:00:00Z stdout F ") is not None
    assert LogFilter(LogOptions()).feed(b"2026-01-01T00:00:00Z stdout F ") == b"\n"


def test_query() -> None:
    options = log_options({"follow": "true", "tailLines": "5", "sinceSeconds": "60", "limitBytes": "9"}, NOW)
    assert (options.follow, options.tail_lines, options.limit_bytes) == (True, 5, 9)
    assert options.since == datetime(2026, 1, 1, tzinfo=UTC)
    for query in ({"tailLines": "x"}, {"tailLines": "-1"}, {"sinceTime": "yesterday"}):
        with pytest.raises(BadLogOptions):
            log_options(query, NOW)


@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize("wanted", [0, 1, 2, 3, 7, 50_000])
def test_tail(wanted: int, ending: bytes) -> None:
    numbers = [f"line {index}".encode() for index in range(20_000)]
    data = b"\n".join(numbers) + ending
    offset = tail_offset(len(data), lambda at, size: data[at : at + size], wanted)
    assert data[offset:].split(b"\n")[: min(wanted, 20_000)] == (numbers[-wanted:] if wanted else [])


class Followed:
    """A log file, a container that runs while the test says so, and what a reader has seen."""

    def __init__(self, path: Path, watcher: DirectoryWatcher) -> None:
        self.path = path
        self.running = True
        self.seen = b""
        self.tasks = TaskSet("test")
        self.reader = LogReader(path, LogOptions(follow=True), watcher=watcher, is_running=lambda: self.running)

    def start(self) -> asyncio.Task[None]:
        return self.tasks.spawn(self._read(), name="reader")

    async def _read(self) -> None:
        async for piece in self.reader.read():
            self.seen += piece

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(60):
            while True:
                if self.seen == text:
                    return
                await asyncio.sleep(0.005)

    def write(self, *texts: str) -> None:
        with self.path.open("ab") as out:
            for text in texts:
                out.write(line(text) + b"\n")


@pytest.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    watcher = DirectoryWatcher(clock=SystemClock())
    watcher.start()
    found = Followed(tmp_path / "0.log", watcher)
    yield found
    await found.tasks.close()
    watcher.stop()


async def test_following_ends_with_the_container(followed: Followed) -> None:
    followed.write("a")
    task = followed.start()
    await followed.until(b"a\n")
    followed.write("b")
    await followed.until(b"a\nb\n")
    followed.write("last words")
    followed.running = False
    followed.reader.wake()
    await task
    assert followed.seen == b"a\nb\nlast words\n"


async def test_following_survives_rotation(followed: Followed) -> None:
    followed.write("a")
    followed.start()
    await followed.until(b"a\n")
    followed.path.rename(followed.path.with_suffix(".old"))
    with followed.path.with_suffix(".old").open("ab") as out:
        out.write(line("late") + b"\n")
    await followed.until(b"a\nlate\n")
    followed.write("b")
    await followed.until(b"a\nlate\nb\n")


async def test_without_inotify_following_still_works(tmp_path: Path) -> None:
    watcher = DirectoryWatcher(clock=SystemClock())
    found = Followed(tmp_path / "0.log", watcher)
    found.write("a")
    found.start()
    await found.until(b"a\n")
    found.write("b")
    await found.until(b"a\nb\n")
    await found.tasks.close()
    watcher.stop()
