"""One real request against what was foretold."""

from __future__ import annotations

import pytest

from minikube_py.insight.trace.path import Origin, Outcome, Path, Source
from minikube_py.insight.trace.sent import compare

ECHO = "pod: web-0\nclient: 10.244.0.9:4711\nlocal: 10.244.0.2:8080\nbody: \n"


def _path(outcome: Outcome, *endpoints: str) -> Path:
    return Path(Source(Origin.POD, "client", "n1"), "default/web:80", outcome, (), endpoints)


@pytest.mark.parametrize(
    ("outcome", "endpoints", "exit_code", "body", "agrees"),
    [
        (Outcome.FORWARD, ("10.244.0.2:8080",), 0, ECHO, True),
        (Outcome.FORWARD, ("10.244.1.2:8080",), 0, ECHO, False),
        (Outcome.FORWARD, ("10.244.0.2:8080",), 0, "<html>", None),
        (Outcome.FORWARD, ("10.244.0.2:8080",), 7, "", False),
        (Outcome.ALIAS, (), 0, ECHO, None),
        (Outcome.REJECT, (), 7, "", True),
        (Outcome.REJECT, (), 28, "", False),
        (Outcome.REJECT, (), 0, ECHO, False),
        (Outcome.DROP, (), 28, "", True),
        (Outcome.UNRESOLVED, (), 6, "", True),
        (Outcome.NO_ROUTE, (), 7, "", True),
    ],
)
def test_a_request_against_the_foretold_way(
    outcome: Outcome, endpoints: tuple[str, ...], exit_code: int, body: str, agrees: bool | None
) -> None:
    assert compare(_path(outcome, *endpoints), exit_code, body).agrees is agrees


def test_who_answered_and_whom_it_saw() -> None:
    told = compare(_path(Outcome.FORWARD, "10.244.0.2:8080"), 0, ECHO).told
    assert told == "10.244.0.2:8080 answered (pod web-0), and saw 10.244.0.9"
