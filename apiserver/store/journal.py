"""Where commits go besides memory: the seam for drivers that keep the cluster across restarts.

The store stays in memory whichever driver it has; a driver is told of every change before anybody can read it, and
gives everything back at the next start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """One change as a driver keeps it. ``data`` is None for a deletion."""

    revision: int
    group: str
    plural: str
    namespace: str
    name: str
    data: bytes | None


class Journal(Protocol):
    """A durable log of changes.

    ``append`` is called within the commit, in the order of revisions. It must not block for long; when it raises, the
    write is refused and nothing has changed.
    """

    def recover(self) -> Iterable[Record]:
        """The latest record of every live object, in the order of revisions. Called once, before any ``append``."""
        ...

    def append(self, record: Record) -> None:
        """Keep one change."""
        ...

    def close(self) -> None:
        """Write out what is left."""
        ...


class MemoryJournal:
    """Keeps nothing: the cluster lives as long as its process."""

    def recover(self) -> Iterable[Record]:
        return ()

    def append(self, record: Record) -> None:
        del record

    def close(self) -> None:
        pass
