"""Where audit events go: JSON lines appended to a file, each with one write; a large file makes way for a new one."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from apiserver.audit.event import lines
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)

#: A file of this many bytes is put aside (upstream's --audit-log-maxsize), the newest of them are kept.
LARGEST = 100 * 2**20
MOST_ASIDE = 10


class AuditLog:
    """Appends to ``path`` (made with mode 0600). A full disk costs events, never requests; it is told once.

    What is put aside is named by the time: ``audit-2026-01-02T03-04-05.678.log``, as upstream names it. ``now`` is the
    wall time. Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime], largest: int = LARGEST) -> None:
        self._path = path
        self._now = now
        self._largest = largest
        self._file = self._open()
        self._failing = False
        #: Events that could not be written.
        self.lost = 0

    def write(self, events: Iterable[Object]) -> None:
        """Append events."""
        found = list(events)
        data = lines(iter(found))
        try:
            if self._size + len(data) > self._largest and self._size:
                self._put_aside()
            written = os.write(self._file, data) if data else 0
            self._size += written
            if written < len(data):
                raise OSError("the line was cut short")
        except OSError as error:
            self.lost += len(found)
            if not self._failing:
                _log.error("%s: audit events are lost: %s", self._path, error)
            self._failing = True
        else:
            self._failing = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        found = os.fstat(file)
        self._regular = stat.S_ISREG(found.st_mode)  # a pipe or a terminal has no size to watch
        self._size = found.st_size if self._regular else 0
        return file

    def _put_aside(self) -> None:
        """Rename the file and begin a new one; where that cannot be done the old one grows on."""
        if not self._regular:
            return
        moment = self._now()
        name = f"{moment:%Y-%m-%dT%H-%M-%S}.{moment.microsecond // 1000:03}"
        aside = self._path.with_name(f"{self._path.stem}-{name}{self._path.suffix}")
        try:
            os.rename(self._path, aside)
            new = self._open()
        except OSError as error:
            _log.warning("%s is not put aside: %s", self._path, error)
            self._size = 0  # try again after as many bytes
            return
        os.close(self._file)
        self._file = new
        for old in self._aside()[:-MOST_ASIDE]:
            old.unlink(missing_ok=True)

    def _aside(self) -> list[Path]:
        pattern = f"{self._path.stem}-[0-9]*T[0-9]*-[0-9]*-[0-9]*.[0-9]*{self._path.suffix}"
        return sorted(self._path.parent.glob(pattern))
