"""Self-marshalling types: their canonical forms, and Go's words for what they are not."""

from __future__ import annotations

import base64
import random

import pytest

from apiserver.schema.wireforms import (
    canonical_bytes,
    canonical_duration,
    canonical_micro_time,
    canonical_time,
    format_duration,
    nanoseconds,
    quantity,
)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
        ("2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59Z"),
        ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z"),
        ("0001-01-01T00:00:02Z", "0001-01-01T00:00:02Z"),
    ],
)
def test_times(given: str, canonical: str) -> None:
    assert canonical_time(given) == canonical


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("yesterday", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
        ("2024-01-01", 'parsing time "2024-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        (
            "2024-01-01T00:00:00",
            'parsing time "2024-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"',
        ),
        ("2024-13-01T00:00:00Z", 'parsing time "2024-13-01T00:00:00Z": month out of range'),
        ("2024-02-30T00:00:00Z", 'parsing time "2024-02-30T00:00:00Z": day out of range'),
        ("2024-01-01T25:00:00Z", 'parsing time "2024-01-01T25:00:00Z": hour out of range'),
        ("2024-01-01T00:00:00Zx", 'parsing time "2024-01-01T00:00:00Zx": extra text: "x"'),
        ("0000-01-01T00:00:00Z", 'parsing time "0000-01-01T00:00:00Z": day out of range'),
    ],
)  # fmt: skip
def test_what_is_no_time(given: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^parsing time") as caught:
        canonical_time(given)
    assert str(caught.value) == problem


def test_micro_times() -> None:
    assert canonical_micro_time("2024-01-01T01:00:00.123456+01:00") == "2024-01-01T00:00:00.123456Z"
    with pytest.raises(ValueError, match=r'cannot parse "Z" as "\.000000"'):
        canonical_micro_time("2024-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("90s", "1m30s"), ("1h", "1h0m0s"), ("1.5h", "1h30m0s"), ("0", "0s"), ("100ms", "100ms"), ("1500us", "1.5ms"),
        ("-2m", "-2m0s"), ("36h0m1.25s", "36h0m1.25s"), ("7ns", "7ns"), ("+3s", "3s"),
    ],
)  # fmt: skip
def test_durations(given: str, canonical: str) -> None:
    assert canonical_duration(given) == canonical
    assert format_duration(nanoseconds(canonical)) == canonical


@pytest.mark.parametrize(
    "given", ["", "5", "s", "1 s", "1d", "--1s", "1s2", "9999999h", "1h" * 10_000, "1" * 10_000 + "s"]
)
def test_what_is_no_duration(given: str) -> None:
    with pytest.raises(ValueError, match="time: invalid duration"):
        canonical_duration(given)


def test_bytes() -> None:
    noise = random.Random(5)
    for _ in range(300):
        text = base64.b64encode(noise.randbytes(noise.randrange(40))).decode()
        assert canonical_bytes(text) == text
    assert canonical_bytes("aGVs\nbG8=\r\n") == "aGVsbG8="


@pytest.mark.parametrize(
    ("given", "offset"),
    [("####", 0), ("aGk", 0), ("aGk=x", 4), ("aGVsb", 4), ("aG=k", 3), ("a===", 1), ("aGVs*GVs", 4)],
)
def test_what_is_not_base64(given: str, offset: int) -> None:
    with pytest.raises(ValueError, match=f"illegal base64 data at input byte {offset}$"):
        canonical_bytes(given)


def test_quantities_are_canonical() -> None:
    assert [quantity(text) for text in ("1000m", "0.5", "1024Ki", "1e3", "12")] == ["1", "500m", "1Mi", "1e3", "12"]


@pytest.mark.parametrize("given", ["1" * 1_000_000, "1" * 500_000 + ".5Mi", "0." + "1" * 1_000_000])
def test_quantities_without_end_are_refused_at_once(given: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity(given)


def test_times_may_have_any_number_of_decimals() -> None:
    assert canonical_time(f"2024-01-01T00:00:00.{'1' * 100_000}Z") == "2024-01-01T00:00:00Z"
