"""CRI log lines and what is shown of them. Pure.

A line is ``<RFC 3339 time> <stdout|stderr> <P|F> <text>``; P marks a piece of a longer line, whose next piece follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from minikube_py.api.meta import parse_time


class Entry(NamedTuple):
    """One line of a log file."""

    time: bytes
    stream: bytes
    partial: bool
    text: bytes


def parse_entry(line: bytes) -> Entry | None:
    """The entry in a line without its newline; None for what is no entry (a torn write after a crash)."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    return Entry(parts[0], parts[1], parts[2].split(b":")[0] == b"P", parts[3] if len(parts) == 4 else b"")


class BadLogOptions(ValueError):
    """A query that makes no sense; the message names the parameter."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """PodLogOptions."""

    follow: bool = False
    previous: bool = False
    since: datetime | None = None
    tail_lines: int | None = None
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = "All"


def log_options(query: dict[str, str], now: datetime) -> LogOptions:
    """From a query string. Raises BadLogOptions."""
    try:
        since = parse_time(query["sinceTime"]) if query.get("sinceTime") else None
        seconds = _number(query, "sinceSeconds")
        return LogOptions(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            since=now - timedelta(seconds=seconds) if seconds is not None else since,
            tail_lines=_number(query, "tailLines"),
            timestamps=_flag(query, "timestamps"),
            limit_bytes=_number(query, "limitBytes"),
            stream=query.get("stream") or "All",
        )
    except ValueError as error:
        raise BadLogOptions(str(error)) from error


def _flag(query: dict[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    number = int(text)
    if number < 0:
        raise ValueError(f"{name} must not be negative")
    return number


class LogFilter:
    """Turns lines of a file into what the reader sees, and stops at limitBytes."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._since = options.since.timestamp() if options.since else None
        self._left = options.limit_bytes
        self._in_line = {b"stdout": False, b"stderr": False}

    @property
    def done(self) -> bool:
        """Whether limitBytes are used up."""
        return self._left is not None and self._left <= 0

    def feed(self, line: bytes) -> bytes:
        """What one line (without newline) shows; b"" where it is left out."""
        entry = parse_entry(line)
        if entry is None or self.done or not self._wanted(entry):
            return b""
        head = entry.time + b" " if self._options.timestamps and not self._in_line[entry.stream] else b""
        self._in_line[entry.stream] = entry.partial
        shown = head + entry.text + (b"" if entry.partial else b"\n")
        if self._left is not None:
            shown = shown[: self._left]
            self._left -= len(shown)
        return shown

    def _wanted(self, entry: Entry) -> bool:
        if self._options.stream not in ("", "All") and self._options.stream.lower().encode() != entry.stream:
            return False
        if self._since is None:
            return True
        try:
            if parse_time(entry.time.decode()).timestamp() < self._since:
                return False
        except ValueError:
            return False
        self._since = None  # times only go up: the rest is wanted
        return True


def tail_offset(data_size: int, read: Callable[[int, int], bytes], lines: int) -> int:
    """Where the last ``lines`` lines of a file of ``data_size`` bytes begin. ``read(offset, size)`` reads of it."""
    if lines <= 0:
        return data_size
    block, position, missing = 64 * 1024, data_size, lines + 1
    while position > 0:
        start = max(position - block, 0)
        piece = read(start, position - start)
        if position == data_size and piece and not piece.endswith(b"\n"):
            missing -= 1  # a last line without its end counts as one
        found = piece.count(b"\n")
        if found >= missing:
            index = len(piece)
            for _ in range(missing):
                index = piece.rindex(b"\n", 0, index)
            return start + index + 1
        missing -= found
        position = start
    return 0
