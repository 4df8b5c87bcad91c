"""Cron's language, and its times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from minikube_py.controllers.cronjob.schedule import parse_schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:00", "2026-01-01T00:01:00"),
        ("*/15 * * * *", "2026-01-01T00:07:30", "2026-01-01T00:15:00"),
        ("0 4 8-14 * *", "2026-01-20T00:00:00", "2026-02-08T04:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("30 9 * * mon-fri", "2026-01-02T10:00:00", "2026-01-05T09:30:00"),
        ("0 0 13 * fri", "2026-01-01T12:00:00", "2026-01-02T00:00:00"),
        ("5,10 1 * jan *", "2026-02-01T00:00:00", "2027-01-01T01:05:00"),
        ("10/20 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:10:00"),
        ("@daily", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        ("@every 1h30m", "2026-01-01T00:00:00", "2026-01-01T01:30:00"),
    ],
)
def test_next_time(schedule: str, after: str, expected: str) -> None:
    assert parse_schedule(schedule).next_after(at(after)) == at(expected)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-01-01T00:00:00", "2026-01-01T01:30:00"),  # 02:30 in Berlin
        ("2026-03-28T12:00:00", "2026-03-30T00:30:00"),  # 02:30 does not exist on 29 March
        ("2026-10-24T12:00:00", "2026-10-25T00:30:00"),  # 02:30 happens twice on 25 October: once is enough
        ("2026-10-25T00:30:00", "2026-10-26T01:30:00"),
    ],
)
def test_time_zones_and_their_clock_changes(after: str, expected: str) -> None:
    assert parse_schedule("30 2 * * *", "Europe/Berlin").next_after(at(after)) == at(expected)


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "x * * * *"])
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(text)


def test_unknown_zone() -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        parse_schedule("* * * * *", "Mars/Olympus")


def test_never() -> None:
    assert parse_schedule("0 0 30 2 *").next_after(at("2026-01-01T00:00:00")) is None
