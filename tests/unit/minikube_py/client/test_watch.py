"""Framing of the watch stream: any cut of the bytes gives the same events."""

from __future__ import annotations

import pytest

from minikube_py.api.errors import Gone
from minikube_py.client.errors import ConnectionFailed
from minikube_py.client.watch import WatchDecoder

STREAM = b"".join(b'{"type":"ADDED","object":{"metadata":{"name":"pod-%d"}}}\n' % number for number in range(5))


@pytest.mark.parametrize("size", [1, 2, 7, 50, 55, 56, 57, 1000])
def test_any_cut_gives_the_same_events(size: int) -> None:
    decoder = WatchDecoder()
    names = [
        event.object["metadata"]["name"]
        for start in range(0, len(STREAM), size)
        for event in decoder.feed(STREAM[start : start + size])
    ]
    assert names == [f"pod-{number}" for number in range(5)]
    assert not decoder.pending


def test_a_stream_that_stops_within_an_event_is_pending() -> None:
    decoder = WatchDecoder()
    assert len(list(decoder.feed(STREAM[:-3]))) == 4
    assert decoder.pending


def test_an_error_event_is_raised() -> None:
    line = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    with pytest.raises(Gone, match="too old"):
        WatchDecoder().feed(line)


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'{"type":"ADDED"}\n', b'{"type":"ERROR","object":1}\n'])
def test_what_is_no_event_breaks_the_connection(line: bytes) -> None:
    with pytest.raises(ConnectionFailed):
        WatchDecoder().feed(line)
