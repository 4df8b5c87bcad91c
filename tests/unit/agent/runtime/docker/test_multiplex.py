"""Frames of the engine come apart however they arrive."""

from __future__ import annotations

import struct

import pytest

from agent.runtime.docker.multiplex import Demultiplexer


def _frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">B3xI", kind, len(data)) + data


@pytest.mark.parametrize("step", [1, 3, 7, 100])
@pytest.mark.parametrize("whole", [True, False])
def test_frames_come_apart_however_they_arrive(step: int, whole: bool) -> None:
    data = _frame(1, b"one") + _frame(2, b"error") + _frame(1, b"") + _frame(1, b"two")
    demultiplexer = Demultiplexer(whole=whole)
    found: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    pieces = []
    for start in range(0, len(data), step):
        pieces += demultiplexer.feed(data[start : start + step])
    for stream, piece in pieces:
        found[stream] += piece
    assert found == {"stdout": b"onetwo", "stderr": b"error"}
    if whole:
        assert [piece for _, piece in pieces if piece] == [b"one", b"error", b"two"]


def test_what_is_no_frame() -> None:
    with pytest.raises(ValueError, match="no frame"):
        Demultiplexer(whole=True).feed(b"HTTP/1.1 500")
