"""Copies a container's log from the engine into the CRI file that the kubelet's users read.

The engine's own stamps are kept, so an agent that comes back goes on after the last entry that its predecessor wrote.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Final

from agent.runtime.docker.engine import Engine
from agent.runtime.docker.multiplex import Demultiplexer
from agent.runtime.docker.translate import parse_time

_TAIL: Final = 64 * 1024


class LogCopy:
    """One container's log on its way to ``path``. ``follow`` ends with the container."""

    def __init__(self, engine: Engine, container_id: str, path: Path, *, tty: bool) -> None:
        self._engine = engine
        self._container_id = container_id
        self._path = path
        self._tty = tty
        self._last = last_stamps(path)
        self._fd = -1
        self._rest = b""

    async def follow(self) -> None:
        """Raises EngineFault, EngineGone.

        A second, plain reading takes in what the engine wrote after it had ended the followed one: a last line
        without an end.
        """
        try:
            await self._read(follow=True)
            await self._read(follow=False)
        finally:
            self._close()

    def reopen(self) -> None:
        """The file has been renamed."""
        self._close()

    async def _read(self, *, follow: bool) -> None:
        demultiplexer = Demultiplexer(whole=True)
        since = str(_seconds(min(self._last.values()))) if self._last else None
        query: dict[str, Any] = {"stdout": True, "stderr": True, "timestamps": True, "follow": follow, "since": since}
        async with self._engine.stream("GET", f"/containers/{self._container_id}/logs", **query) as body:
            async for data in body.iter_any():
                pieces = self._lines(data) if self._tty else demultiplexer.feed(data)
                self._append(b"".join(self._entry(stream, piece) for stream, piece in pieces))
        if self._rest:
            rest, self._rest = self._rest, b""
            self._append(self._entry("stdout", rest))

    def _lines(self, data: bytes) -> list[tuple[str, bytes]]:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return [("stdout", line + b"\n") for line in lines]

    def _entry(self, stream: str, piece: bytes) -> bytes:
        """The CRI entry; nothing for one that is in the file already (stamps grow within a stream)."""
        stamp, _, text = piece.partition(b" ")
        if stamp <= self._last.get(stream, b""):
            return b""
        self._last[stream] = stamp
        tag = b"F" if text.endswith(b"\n") or self._tty else b"P"
        text = text.rstrip(b"\n")
        return b"%s %s %s %s\n" % (stamp, stream.encode(), tag, text.rstrip(b"\r") if self._tty else text)

    def _append(self, entries: bytes) -> None:
        """Entries are lost on a full disk; the container goes on."""
        if not entries:
            return
        with contextlib.suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            os.write(self._fd, entries)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def last_stamps(path: Path) -> dict[str, bytes]:
    """The stamp of the last whole entry of each stream in a CRI log file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return {}
    found: dict[str, bytes] = {}
    for words in (line.split(b" ", 2) for line in lines):
        if len(words) == 3 and words[1] in (b"stdout", b"stderr") and parse_time(words[0].decode(errors="replace")):
            found[words[1].decode()] = words[0]
    return found


def _seconds(stamp: bytes) -> int:
    moment = parse_time(stamp.decode(errors="replace"))
    return int(moment.timestamp()) if moment else 0
