"""Where audit events go: JSON lines appended to a file, each with one write."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from apiserver.audit.event import lines
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)


class AuditLog:
    """Appends to ``path`` (made with mode 0600). A full disk costs events, never requests; it is told once.

    Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._failing = False
        #: Events that could not be written.
        self.lost = 0

    def write(self, events: Iterable[Object]) -> None:
        """Append events."""
        found = list(events)
        data = lines(iter(found))
        try:
            written = os.write(self._file, data) if data else 0
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
