"""The echo's HTTP dialogue as bytes in, bytes out."""

from __future__ import annotations

import json
import random

import pytest

from agent.runtime.process.echohttp import HTTPDialogue, Reporter, looks_like_http

REPORTER = Reporter({"pod": "web", "node": "n1"}, {"COLOR": "blue"})


def _dialogue() -> HTTPDialogue:
    return HTTPDialogue(REPORTER, ("10.0.0.9", 4321), ("::ffff:10.0.0.1", 80))


def _bodies(answer: bytes) -> list[bytes]:
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        found.append(rest[:length])
        answer = rest[length:]
    return found


@pytest.mark.parametrize(
    ("first", "verdict"),
    [(b"GET / HTTP", True), (b"G", None), (b"PO", None), (b"PONG", False), (b"\x16\x03", False), (b"GETX", False)],
)
def test_http_is_told_by_its_first_bytes(first: bytes, verdict: bool | None) -> None:
    assert looks_like_http(first) is verdict


def test_a_request_is_told_back() -> None:
    answer = _dialogue().feed(b"POST /x?format=json HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\nabc")
    told = json.loads(_bodies(answer)[0])
    assert told["pod"] == "web"
    assert (told["client"], told["local"]) == ("10.0.0.9:4321", "10.0.0.1:80")
    assert (told["method"], told["path"], told["body"]) == ("POST", "/x?format=json", "abc")
    assert told["headers"]["x-a"] == "1, 2"
    assert told["env"] == {"COLOR": "blue"}


def test_text_and_the_short_paths() -> None:
    dialogue = _dialogue()
    text, hostname, env = _bodies(
        dialogue.feed(b"GET / HTTP/1.1\r\n\r\nGET /hostname HTTP/1.1\r\n\r\nGET /env HTTP/1.1\r\n\r\n")
    )
    assert b"pod: web\n" in text
    assert hostname == b"web\n"
    assert env == b"COLOR: blue\n"
    assert not dialogue.closing


def test_every_request_is_logged() -> None:
    lines: list[str] = []
    reporter = Reporter({}, {}, log=lines.append)
    HTTPDialogue(reporter, ("10.0.0.9", 1), ("10.0.0.1", 80)).feed(b"GET /a?status=404 HTTP/1.1\r\n\r\n")
    reporter.greeting("udp", ("10.0.0.9", 2), ("10.0.0.1", 53))
    assert lines == ['10.0.0.9:1 "GET /a?status=404" 404', "10.0.0.9:2 udp"]


def test_a_path_in_json_is_answered_in_json() -> None:
    assert json.loads(_bodies(_dialogue().feed(b"GET /env.json HTTP/1.1\r\n\r\n"))[0])["pod"] == "web"


def test_status_and_size_are_the_clients_wish() -> None:
    answer = _dialogue().feed(b"GET /?status=503&size=1000 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable")
    assert _bodies(answer)[0].endswith(b"x" * 1000)


def test_head_has_no_body() -> None:
    answer = _dialogue().feed(b"HEAD / HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "closes"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", True),
    ],
)
def test_keep_alive(request_line: bytes, closes: bool) -> None:
    dialogue = _dialogue()
    dialogue.feed(request_line)
    assert dialogue.closing is closes


def test_the_last_request_says_close() -> None:
    dialogue = _dialogue()
    dialogue.last = True
    assert b"Connection: close" in dialogue.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert dialogue.closing


CHUNKED = b"PUT /?format=json HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n"
TRAILED = CHUNKED[:-2] + b"X-Trailer: 1\r\n\r\n"


@pytest.mark.parametrize("request_bytes", [CHUNKED, TRAILED])
def test_chunked_bodies(request_bytes: bytes) -> None:
    dialogue = _dialogue()
    (first,) = _bodies(dialogue.feed(request_bytes))
    assert json.loads(first)["body"] == "Wikipedia"
    assert dialogue.idle


def test_a_waiting_client_is_invited_once() -> None:
    dialogue = _dialogue()
    assert dialogue.feed(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").startswith(
        b"HTTP/1.1 100 Continue"
    )
    assert dialogue.feed(b"a") == b""
    assert b"body: ab" in dialogue.feed(b"b")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET / SPDY/1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 413),
        (b"GET /" + b"x" * 70_000, 400),
    ],
)
def test_malformed_requests_end_the_connection(request_bytes: bytes, status: int) -> None:
    dialogue = _dialogue()
    assert dialogue.feed(request_bytes).startswith(f"HTTP/1.1 {status} ".encode())
    assert dialogue.closing


def test_any_fragmentation_gives_the_same_answers() -> None:
    stream = (
        CHUNKED + b"GET /hostname HTTP/1.1\r\n\r\n" + TRAILED + b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    )
    whole = _dialogue().feed(stream)
    generator = random.Random(7)
    for _ in range(100):
        dialogue, answer, position = _dialogue(), b"", 0
        while position < len(stream):
            step = generator.randint(1, 40)
            answer += dialogue.feed(stream[position : position + step])
            position += step
        assert answer == whole


def test_noise_does_not_raise() -> None:
    generator = random.Random(11)
    for _ in range(500):
        noise = bytes(generator.choice(b"GET / HTTP1.\r\n:chunked0a5") for _ in range(80))
        _dialogue().feed(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + noise)
        _dialogue().feed(noise)
