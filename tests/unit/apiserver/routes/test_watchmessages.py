"""Events as WebSocket messages."""

from __future__ import annotations

import pytest

from apiserver.routes.watchmessages import events_of, message_frame


@pytest.mark.parametrize(
    ("size", "head"),
    [(5, b"\x81\x05"), (126, b"\x81\x7e\x00\x7e"), (70_000, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70")],
)
def test_a_message_says_its_length(size: int, head: bytes) -> None:
    assert message_frame(b"x" * size, binary=False) == head + b"x" * size


def test_protobuf_is_binary() -> None:
    assert message_frame(b"", binary=True) == b"\x82\x00"


def test_events_are_told_apart() -> None:
    assert list(events_of(b'{"a":"\\r"}\n{"b":1}\n', binary=False)) == [b'{"a":"\\r"}\n', b'{"b":1}\n']
    assert list(events_of(b"\0\0\0\x02ab\0\0\0\x01c", binary=True)) == [b"ab", b"c"]
    assert list(events_of(b"", binary=True)) == []
