"""A report that was changed is not believed."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from minikube_py.labs.progress import Progress, Records
from minikube_py.labs.report import ForgedReport, student_key, verify, write

DONE = [Progress(lab="selector", number=1, passed="2026-01-01T00:00:00Z", attempts=2)]


def test_a_report_is_read_back(tmp_path: Path) -> None:
    key = student_key(tmp_path / "labs" / "key")
    body, fingerprint = verify(write("ann", "2026-01-02T00:00:00Z", DONE, key))
    assert (body["student"], body["labs"]) == ("ann", DONE)
    again = student_key(tmp_path / "labs" / "key")
    assert verify(write("bob", "", [], again))[1] == fingerprint, "one machine, one key"
    assert (tmp_path / "labs" / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("field", ["student", "written", "labs"])
def test_a_changed_report_is_told(tmp_path: Path, field: str) -> None:
    told = orjson.loads(write("ann", "", DONE, student_key(tmp_path / "key")))
    told[field] = [] if field == "labs" else "other"
    with pytest.raises(ForgedReport, match="was changed"):
        verify(orjson.dumps(told))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"key": "x", "signature": 3}', b"\xff"])
def test_what_is_no_report(data: bytes) -> None:
    with pytest.raises(ForgedReport, match="not a report"):
        verify(data)


def test_progress_survives_and_nonsense_is_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path / "progress")
    assert records.all() == [] and records.of("selector") == Progress(lab="selector")
    records.keep(DONE[0])
    records.keep(Progress(lab="affinity", number=7))
    assert [each.lab for each in records.all()] == ["selector", "affinity"]
    (tmp_path / "progress" / "selector.json").write_text("{")
    assert records.of("selector") == Progress(lab="selector")
