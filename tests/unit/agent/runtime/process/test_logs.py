"""CRI log files: entries, partial lines, rotation, disks that fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.runtime.process.logs import LONGEST_LINE, LogFile


def _entries(path: Path) -> list[tuple[str, str, str]]:
    return [tuple(line.split(" ", 3)[1:]) for line in path.read_text().splitlines()]  # type: ignore[misc]


def test_lines_are_entries_of_their_stream(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"err\n")
    log.write("stdout", b"o\n\n")
    log.close()
    assert _entries(tmp_path / "log") == [
        ("stdout", "F", "one"), ("stderr", "F", "err"), ("stdout", "F", "two"), ("stdout", "F", ""),
    ]  # fmt: skip


def test_the_stamp_is_rfc3339_with_nanoseconds(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    assert log._stamp(1_600_000_000_000_000_007) == b"2020-09-13T12:26:40.000000007Z"
    log.close()


def test_an_unfinished_line_is_kept_until_the_end(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    log.write("stdout", b"no newline")
    assert (tmp_path / "log").read_text() == ""
    log.close()
    assert _entries(tmp_path / "log") == [("stdout", "P", "no newline")]


@pytest.mark.parametrize("step", [1000, LONGEST_LINE, 70_000])
def test_long_lines_are_cut_and_can_be_joined(tmp_path: Path, step: int) -> None:
    text = "".join(chr(97 + number % 26) for number in range(50_000))
    log = LogFile(str(tmp_path / "log"))
    data = (text + "\nnext\n").encode()
    for start in range(0, len(data), step):
        log.write("stdout", data[start : start + step])
    log.close()
    entries = _entries(tmp_path / "log")
    assert "".join(piece for _, _, piece in entries[:-1]) == text
    assert [tag for _, tag, _ in entries[:-2]] == ["P"] * (len(entries) - 2)
    assert entries[-2][1] == "F"
    assert entries[-1] == ("stdout", "F", "next")
    assert all(len(piece) <= LONGEST_LINE for _, _, piece in entries)


def test_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path))
    log.write("stdout", b"old\n")
    path.rename(tmp_path / "log.1")
    log.write("stdout", b"still old\n")
    log.reopen()
    log.write("stdout", b"new\n")
    log.close()
    assert [text for _, _, text in _entries(path)] == ["new"]
    assert [text for _, _, text in _entries(tmp_path / "log.1")] == ["old", "still old"]


def test_a_full_disk_loses_lines_and_counts_them() -> None:
    log = LogFile("/dev/full")
    log.write("stdout", b"one\ntwo\n")
    assert log.lost == 2
    log.close()


def test_a_directory_that_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "pod" / "log"
    log = LogFile(str(path))
    log.write("stdout", b"lost\n")
    os.mkdir(path.parent)
    log.write("stdout", b"kept\n")
    log.close()
    assert [text for _, _, text in _entries(path)] == ["kept"]
    assert log.lost == 1


def test_without_a_path_nothing_is_written() -> None:
    log = LogFile("")
    log.write("stdout", b"x\n")
    log.close()
