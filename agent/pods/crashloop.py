"""When a container that ended may start again: the kubelet's restart back-off. Pure, told the time.

The first restart is immediate. Each further one waits, counted from the moment the container ended: 10 s, then double,
up to 5 minutes. A container that stayed up for 10 minutes starts over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

INITIAL_SECONDS = 10.0
MAXIMUM_SECONDS = 300.0
RESET_AFTER_SECONDS = 2 * MAXIMUM_SECONDS


@dataclass(slots=True)
class _Entry:
    delay: float
    updated: datetime


class RestartBackoff:
    """The back-offs of one pod, by a key that names a container (and, for pulls, its image)."""

    def __init__(self, initial: float = INITIAL_SECONDS, maximum: float = MAXIMUM_SECONDS) -> None:
        self._initial = initial
        self._maximum = maximum
        self._entries: dict[str, _Entry] = {}

    def remaining(self, key: str, since: datetime, now: datetime) -> float:
        """Seconds that a container which ended at ``since`` must still wait; 0 when it may start."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            return 0.0
        return max((since + timedelta(seconds=entry.delay) - now).total_seconds(), 0.0)

    def delay(self, key: str) -> float:
        """The whole delay in force for ``key``, in seconds."""
        entry = self._entries.get(key)
        return entry.delay if entry else 0.0

    def next(self, key: str, since: datetime) -> None:
        """Note a start after an end at ``since``: the next one waits longer."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            self._entries[key] = _Entry(self._initial, since)
        else:
            entry.delay = min(entry.delay * 2, self._maximum)
            entry.updated = since

    def forget(self, key: str) -> None:
        """The reason is gone: start over."""
        self._entries.pop(key, None)

    def _expired(self, entry: _Entry, since: datetime) -> bool:
        return (since - entry.updated).total_seconds() > 2 * self._maximum
