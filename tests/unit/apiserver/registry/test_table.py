"""How long ago something was, as people read it."""

from __future__ import annotations

from datetime import datetime

import pytest

from apiserver.registry.table import format_selector, human_duration, since

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3, "<invalid>"),
        (-1.5, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (9 * _MINUTE + 59, "9m59s"),
        (10 * _MINUTE + 1, "10m"),
        (3 * _HOUR - 1, "179m"),
        (3 * _HOUR, "3h"),
        (3 * _HOUR + _MINUTE, "3h1m"),
        (8 * _HOUR + _MINUTE, "8h"),
        (2 * _DAY, "2d"),
        (2 * _DAY + _HOUR, "2d1h"),
        (8 * _DAY + _HOUR, "8d"),
        (2 * _YEAR, "2y"),
        (2 * _YEAR + _DAY, "2y1d"),
        (9 * _YEAR, "9y"),
    ],
)
def test_human_durations(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected


def test_unreadable_times(now: datetime) -> None:
    assert since(None, now) == since("yesterday", now) == "<unknown>"


def test_selectors() -> None:
    assert format_selector(None) == format_selector({}) == "<none>"
    selector = {"matchLabels": {"b": "1", "a": "2"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}
    assert format_selector(selector) == "a=2,b=1,c"
