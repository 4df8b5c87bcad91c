"""The end of a log as a failed container's message."""

from __future__ import annotations

from pathlib import Path

from agent.pods.lastwords import last_words, mute_failures, with_words
from tests.support.podstates import make_pod, ran, runs, seen

FALLBACK = {"name": "app", "terminationMessagePolicy": "FallbackToLogsOnError"}


def test_only_silent_failures_with_the_policy_are_asked_for(tmp_path: Path) -> None:
    failed = ran("app", 1, log_path=tmp_path / "0.log")
    assert mute_failures(make_pod(FALLBACK), seen(failed), {}) == [failed]
    assert mute_failures(make_pod(FALLBACK), seen(failed), {failed.id: ""}) == []
    assert mute_failures(make_pod(), seen(failed), {}) == []
    for other in (ran("app", 0, log_path=tmp_path), ran("app", 1, log_path=tmp_path, message="said"), runs("app")):
        assert mute_failures(make_pod(FALLBACK), seen(other), {}) == []


def test_the_last_lines_within_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(b"2026-01-01T00:00:00Z stderr F line %d\n" % number for number in range(200)))
    words = last_words(path)
    assert words.endswith("line 199\n")
    assert words.count("\n") == 80
    path.write_bytes(b"2026-01-01T00:00:00Z stderr F " + b"x" * 5000 + b"\n")
    assert len(last_words(path)) == 2048
    assert last_words(tmp_path / "nothing") == ""


def test_words_become_the_message() -> None:
    failed = ran("app", 1)
    assert with_words(seen(failed), {failed.id: "why"}).latest("app").message == "why"  # type: ignore[union-attr]
