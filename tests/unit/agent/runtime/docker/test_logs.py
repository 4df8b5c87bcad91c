"""Where a log goes on."""

from __future__ import annotations

from pathlib import Path

from agent.runtime.docker.logs import last_stamps


def test_the_last_stamps_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_stamps(path) == {}
    path.write_text(
        "2026-01-01T00:00:01.000000000Z stdout F a\n2026-01-01T00:00:02.000000000Z stderr F b\nnonsense\n"
        "2026-01-01T00:00:03.000000000Z stdout F c\n2026-01-01T00:00:09.000000000Z stdout F torn"
    )
    assert last_stamps(path) == {
        "stdout": b"2026-01-01T00:00:03.000000000Z",
        "stderr": b"2026-01-01T00:00:02.000000000Z",
    }
