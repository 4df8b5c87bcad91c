"""What a pod's shell says about its requests."""

from __future__ import annotations

import subprocess

import pytest

from minikube_py.labs.answers import addresses, answer, read, script
from minikube_py.labs.model import Request
from minikube_py.labs.words import language_of


def request(**more: object) -> Request:
    return Request.model_validate({"from": "client", "url": "http://web/", **more})


def test_answers_are_told_apart() -> None:
    output = (
        b'{"pod": "web-1", "client": "10.244.0.5:4711"}\x1e200 0\x1e\n'
        + b"\x1e000 7\x1e\n"
        + b"<html>\n\x1e404 0\x1e\n"
    )
    assert read(output) == [
        {"pod": "web-1", "client": "10.244.0.5:4711", "outcome": "answered", "status": 200, "source": "10.244.0.5"},
        {"outcome": "refused"},
        {"outcome": "answered", "status": 404},
    ]


@pytest.mark.parametrize(
    ("code", "outcome"), [(6, "unresolved"), (7, "refused"), (28, "timeout"), (56, "failed"), (127, "failed")]
)
def test_how_curl_ends(code: int, outcome: str) -> None:
    assert answer(code, 0, b"") == {"outcome": outcome}


def test_a_server_cannot_say_what_only_we_know() -> None:
    assert answer(0, 500, b'{"outcome": "timeout", "status": 200}')["outcome"] == "answered"
    assert answer(0, 500, b'{"status": 200}')["status"] == 500


def test_the_script_is_one_that_shells_run() -> None:
    argv = script(request(times=3, headers={"Host": "a'b $(c)"}))
    assert argv[:2] == ["sh", "-c"] and "Host: a'b $(c)" in argv
    told = subprocess.run([*argv[:4], "sh", "-c", "printf 'x\\036200'"], capture_output=True, check=True)
    assert read(told.stdout) == [{"outcome": "answered", "status": 200}] * 3


def test_addresses_of_a_name() -> None:
    assert addresses(b"10.0.0.1 STREAM db\n10.0.0.1 DGRAM\n10.0.0.2 STREAM\n\n") == [
        {"address": "10.0.0.1"},
        {"address": "10.0.0.2"},
    ]


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_of_a_locale(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language
