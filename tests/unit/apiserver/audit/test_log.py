"""The file that audit events are appended to, and its predecessors."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apiserver.audit import log
from apiserver.audit.log import AuditLog


class Now:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_large_file_makes_way_and_no_event_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    written = AuditLog(path, now=Now(), largest=30)
    for number in range(3):
        written.write([{"number": number, "text": "x"}])
    written.close()
    assert names(tmp_path) == ["audit-2026-01-02T03-04-06.678.log", "audit-2026-01-02T03-04-07.678.log", "audit.log"]
    assert [len(each.read_text().splitlines()) for each in tmp_path.iterdir()] == [1, 1, 1]
    assert path.stat().st_mode & 0o777 == 0o600
    assert written.lost == 0


def test_the_oldest_files_go(tmp_path: Path) -> None:
    neighbour = tmp_path / "audit-notes.log"
    neighbour.write_text("mine")
    written = AuditLog(tmp_path / "audit.log", now=Now(), largest=1)
    for number in range(log.MOST_ASIDE + 4):
        written.write([{"number": number}])
    written.close()
    assert len(names(tmp_path)) == log.MOST_ASIDE + 2
    assert neighbour.read_text() == "mine"


def test_a_file_that_is_there_is_appended_to_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text('{"old":1}\n')
    written = AuditLog(path, now=Now(), largest=25)
    written.write([{"new": 1}])
    written.write([{"new": 2}])
    written.close()
    assert (path.read_text(), len(names(tmp_path))) == ('{"new":2}\n', 2)


def test_a_pipe_is_never_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    written = AuditLog(path, now=Now(), largest=1)
    written.write([{"a": 1}])
    written.write([{"a": 2}])
    assert os.read(reader, 100) == b'{"a":1}\n{"a":2}\n'
    written.close()
    os.close(reader)
    assert names(tmp_path) == ["pipe"]
