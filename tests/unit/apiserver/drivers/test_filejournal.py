"""What was acknowledged is there after any death of the process."""

from __future__ import annotations

import os
import random
import resource
from pathlib import Path

import pytest

from apiserver.drivers.filejournal import FileJournal
from apiserver.store.journal import Record
from minikube_py.api.errors import InternalError


def _record(revision: int, name: str, data: bytes | None = b"{}") -> Record:
    return Record(revision, "", "pods", "default", name, data)


def _recovered(path: Path) -> list[Record]:
    journal = FileJournal(path)
    try:
        return list(journal.recover())
    finally:
        journal.close()


def _filled(path: Path, *records: Record) -> Path:
    journal = FileJournal(path)
    for record in records:
        journal.append(record)
    journal.close()
    return path


def test_the_latest_of_every_live_object_comes_back_in_order(tmp_path: Path) -> None:
    path = _filled(
        tmp_path / "j",
        _record(1, "a", b'{"v":1}'),
        _record(2, "b", b'{"text":"two\\nlines"}'),
        _record(3, "a", b'{"v":3}'),
        _record(4, "c"),
        _record(5, "c", None),
    )
    # The deletion is kept while it is the last change: revisions must go on after it.
    expected = [_record(2, "b", b'{"text":"two\\nlines"}'), _record(3, "a", b'{"v":3}'), _record(5, "c", None)]
    assert _recovered(path) == expected
    assert _recovered(path) == expected, "recovering rewrites the file and changes nothing"
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_new_journal_is_empty(tmp_path: Path) -> None:
    assert _recovered(tmp_path / "j") == []


@pytest.mark.parametrize("seed", range(20))
def test_a_file_cut_off_anywhere_keeps_every_whole_record(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    records = [_record(number, f"n{number}", chance.randbytes(chance.randrange(200))) for number in range(1, 8)]
    path = _filled(tmp_path / "j", *records)
    ends = []
    for count in range(len(records) + 1):
        ends.append(os.path.getsize(_filled(tmp_path / f"part{count}", *records[:count])) if count else 0)
    cut = chance.randrange(ends[-1])
    os.truncate(path, cut)
    assert _recovered(path) == records[: sum(end <= cut for end in ends) - 1]
    # The next life writes on from there.
    journal = FileJournal(path)
    list(journal.recover())
    journal.append(_record(99, "new"))
    journal.close()
    assert _recovered(path)[-1] == _record(99, "new")


def test_without_room_the_write_is_refused_and_the_file_stays_whole(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j")
    journal.append(_record(1, "a"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(tmp_path / "j") + 100, before[1]))
    try:
        with pytest.raises(InternalError, match="cannot be kept"):
            journal.append(_record(2, "b", b"x" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.append(_record(2, "c"))
    journal.close()
    assert [record.name for record in _recovered(tmp_path / "j")] == ["a", "c"]


def test_it_does_not_grow_without_bound(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", worth_compacting=2000)
    for revision in range(1, 500):
        journal.append(_record(revision, "lease", b"x" * 50))
    journal.close()
    assert os.path.getsize(tmp_path / "j") < 4000
    assert _recovered(tmp_path / "j") == [_record(499, "lease", b"x" * 50)]
