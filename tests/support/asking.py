"""Many clients at once: every one of them asks once, and is told who answered and whom it saw."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from tests.support.netlab import Lab

#: A client that has heard nothing by then was given enough time even on a busy machine.
_PATIENCE = 30.0
#: Who is expected to hear nothing is believed after this much silence since the others heard.
_SILENCE = 0.4


Answer = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """``silent``: the right answer is none, so nobody waits for it longer than for the others."""

    origin: str
    ip: str
    port: int
    protocol: str
    silent: bool = False


def ask_all(lab: Lab, questions: Iterable[Question]) -> dict[Question, Answer]:
    """(who answered, whom it saw), ("refused", ""), ("unreachable", "") or ("timeout", "") for each."""
    answers: dict[Question, Answer] = {}
    open_ = _open_all(lab, list(questions), answers)
    try:
        with selectors.DefaultSelector() as selector:
            for question, sock in open_.items():
                selector.register(sock, _first_interest(question), question)
            _collect(selector, answers, waiting=sum(not question.silent for question in open_))
    finally:
        for sock in open_.values():
            sock.close()
    return dict.fromkeys(open_, ("timeout", "")) | answers


def _open_all(lab: Lab, questions: list[Question], answers: dict[Question, Answer]) -> dict[Question, socket.socket]:
    """Sockets on their way; who is turned away at once goes to ``answers``."""
    by_origin: dict[str, list[Question]] = {}
    for question in questions:
        by_origin.setdefault(question.origin, []).append(question)
    found: dict[Question, socket.socket] = {}
    for origin, asked in by_origin.items():
        opened = lab.places[origin].run(lambda asked=asked: {each: _open(each) for each in asked})
        found |= {each: sock for each, sock in opened.items() if isinstance(sock, socket.socket)}
        answers |= {each: failure for each, failure in opened.items() if not isinstance(failure, socket.socket)}
    return found


def _open(question: Question) -> socket.socket | Answer:
    """A socket stays in the namespace it was made in, whoever waits for it."""
    family = socket.AF_INET6 if ":" in question.ip else socket.AF_INET
    kind = socket.SOCK_DGRAM if question.protocol == "UDP" else socket.SOCK_STREAM
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            sock.connect((question.ip, question.port))
        if kind == socket.SOCK_DGRAM:
            with suppress(PermissionError):  # a packet filter on the way out; what else it says is still to come
                sock.send(b"who")
    except OSError as error:
        sock.close()
        return _failure(error.errno or 0)
    return sock


def _first_interest(question: Question) -> int:
    return selectors.EVENT_READ if question.protocol == "UDP" else selectors.EVENT_READ | selectors.EVENT_WRITE


def _collect(selector: selectors.BaseSelector, answers: dict[Question, Answer], *, waiting: int) -> None:
    deadline = time.monotonic() + (_PATIENCE if waiting else _SILENCE)
    while selector.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            answer = _take(selector, key)
            if answer is None:
                continue
            answers[key.data] = answer
            selector.unregister(key.fileobj)
            waiting -= not key.data.silent
            if not waiting:
                deadline = min(deadline, time.monotonic() + _SILENCE)


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> Answer | None:
    sock = key.fileobj
    assert isinstance(sock, socket.socket)
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        return _failure(error)
    try:
        words = sock.recv(200).decode().split()
    except BlockingIOError:
        selector.modify(sock, selectors.EVENT_READ, key.data)  # connected; the greeting is still to come
        return None
    except OSError as failure:
        return _failure(failure.errno or 0)
    return (words[0], words[1]) if len(words) == 2 else ("closed", "")


def _failure(code: int) -> Answer:
    return ("refused" if code in (errno.ECONNREFUSED, errno.ECONNRESET) else "unreachable", "")
