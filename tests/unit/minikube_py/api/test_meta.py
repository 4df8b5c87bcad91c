"""What the server writes into metadata."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

from minikube_py.api.meta import format_micro_time, format_time, new_uid


def test_uids_are_random_uuids() -> None:
    found = {new_uid() for _ in range(500)}
    assert len(found) == 500
    for text in found:
        read = uuid.UUID(text)
        assert (read.version, read.variant, str(read)) == (4, uuid.RFC_4122, text)
    bits = [int(text.replace("-", ""), 16) for text in found]
    always, never = bits[0], bits[0]
    for number in bits:
        always, never = always & number, never | number
    assert (always, never) == (0x4000 << 64 | 0x8000 << 48, (1 << 128) - 1 - (0xB000 << 64 | 0x4000 << 48))


def test_times_are_in_utc() -> None:
    moment = datetime(2026, 1, 1, 1, 2, 3, 4567, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2025-12-31T23:02:03Z"
    assert format_micro_time(moment) == "2025-12-31T23:02:03.004567Z"
    assert format_micro_time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"
