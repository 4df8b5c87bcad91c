"""A journal in one file: the cluster's objects outlive the death of the API server's process.

Every change is one record, written with a single writev(2) before the write is acknowledged: what was answered is in
the kernel's hands, and a killed process loses nothing. (Only a crash of the machine can, for nothing is synced to the
disk: a local cluster ends with its machine anyway.)

A record is a line of JSON ``[revision, group, plural, namespace, name, size, crc]``, ``size`` bytes of the object and a
newline; a deletion has size -1 and no bytes. A record that was cut off by a crash ends the file when it is read.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import orjson

from apiserver.store.journal import Record
from minikube_py.api.errors import InternalError

_log = logging.getLogger(__name__)

#: The file is rewritten with the live objects alone when it is larger than this many bytes …
_WORTH_COMPACTING: Final = 64 * 2**20
#: … and than this many times what it was after the last rewriting.
_GARBAGE_FACTOR: Final = 4
_DELETED: Final = -1

_Key = tuple[str, str, str, str]


class FileJournal:
    """Journal in the file ``path``, which only its owner may read. Raises OSError where it cannot be opened."""

    def __init__(self, path: Path, *, worth_compacting: int = _WORTH_COMPACTING) -> None:
        self._path = path
        self._worth_compacting = worth_compacting
        self._file = _open(path)
        self._end = os.lseek(self._file, 0, os.SEEK_END)
        self._compacted_size = self._end

    def recover(self) -> Iterator[Record]:
        """The live objects in the order of revisions, and the last deletion, so that revisions go on from there."""
        live = self._read()
        if self._end:  # also where nothing is live: a record that was cut off must not stand before new ones
            self._rewrite(live)
        return iter(live)

    def append(self, record: Record) -> None:
        """Keep one change. Raises InternalError where there is no room; the file is then as it was before."""
        self._write(self._file, record)
        if self._end > max(self._worth_compacting, _GARBAGE_FACTOR * self._compacted_size):
            self._rewrite(self._read())

    def close(self) -> None:
        """Close the file; there is nothing to write out."""
        os.close(self._file)

    def _write(self, file: int, record: Record) -> None:
        parts = _encode(record)
        size = sum(map(len, parts))
        try:
            written = os.writev(file, parts)
        except OSError as error:
            written, reason = -1, error.strerror
        else:
            reason = "no space left on device"
        if written != size:
            os.ftruncate(file, self._end)
            raise InternalError(f"the change cannot be kept: {reason}")
        self._end += size

    def _read(self) -> list[Record]:
        latest: dict[_Key, Record] = {}
        last: Record | None = None
        for record in _records(self._path):
            latest[record[1:5]] = last = record
        live = [record for record in latest.values() if record.data is not None or record is last]
        return sorted(live, key=lambda record: record.revision)

    def _rewrite(self, live: list[Record]) -> None:
        """A new file beside the old one takes its place in one step: a crash leaves either."""
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.unlink(missing_ok=True)
        file, old = _open(beside), self._file
        before, self._end = self._end, 0
        try:
            for record in live:
                self._write(file, record)
            os.replace(beside, self._path)
        except (OSError, InternalError) as error:
            _log.warning("the journal is not compacted: %s", error)
            self._end = before
            os.close(file)
            return
        self._file, self._compacted_size = file, self._end
        os.close(old)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _encode(record: Record) -> list[bytes]:
    if record.data is None:
        return [orjson.dumps([*record[:5], _DELETED, 0]), b"\n"]
    return [orjson.dumps([*record[:5], len(record.data), zlib.crc32(record.data)]), b"\n", record.data, b"\n"]


def _records(path: Path) -> Iterator[Record]:
    """Every record up to the end, or to the first that is not whole."""
    with path.open("rb") as file:
        while line := file.readline():
            record = _decode(line, file.read)
            if record is None:
                _log.warning("the journal %s ends in a record that was cut off", path)
                return
            yield record


def _decode(line: bytes, read: Callable[[int], bytes]) -> Record | None:
    try:
        revision, group, plural, namespace, name, size, crc = orjson.loads(line)
        data = None if size == _DELETED else read(size)
        whole = data is None or (zlib.crc32(data) == crc and read(1) == b"\n")
    except (ValueError, TypeError):
        return None
    return Record(revision, group, plural, namespace, name, data) if whole else None
