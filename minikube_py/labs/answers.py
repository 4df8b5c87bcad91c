"""Requests that a pod's shell sends, and reading what came of them. Pure: no sockets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from minikube_py.labs.model import Request

#: How curl ends (curl(1), EXIT CODES).
_OUTCOMES = {0: "answered", 6: "unresolved", 7: "refused", 28: "timeout"}
_ANSWER = re.compile(rb"(.*?)\x1e(\d+) (\d+)\x1e\n", re.DOTALL)
_JSON = "application/json"


def script(request: Request) -> list[str]:
    """A command that sends the requests one after another, each over a new connection."""
    headers = [word for name, value in headers_of(request).items() for word in ("-H", f"{name}: {value}")]
    curl = ["curl", "-s", "-g", "--noproxy", "*", "-m", f"{request.timeout:g}", "-w", "\x1e%{http_code}"]
    times = 1 if request.advance else request.times
    loop = f"n=0; while [ $n -lt {times} ]; do n=$((n+1)); \"$@\"; printf ' %s\\036\\n' $?; done"
    return ["sh", "-c", loop, "sh", *curl, *headers, request.url]


def headers_of(request: Request) -> dict[str, str]:
    """What is sent along. minik.local/echo answers in JSON when it is asked to."""
    return {"Accept": _JSON} | request.headers


def read(output: bytes) -> list[dict[str, Any]]:
    """An item per request of ``script``."""
    return [answer(int(code), int(status), body) for body, status, code in _ANSWER.findall(output)]


def answer(exit_code: int, status: int, body: bytes) -> dict[str, Any]:
    """One item, as `minikube_py.labs.model.Request` describes it. ``exit_code`` is curl's."""
    outcome = _OUTCOMES.get(exit_code, "failed")
    if outcome != "answered":
        return {"outcome": outcome}
    told = _object(body)
    source = str(told.get("client") or "").rpartition(":")[0].strip("[]")
    return {**told, "outcome": outcome, "status": status} | ({"source": source} if source else {})


def addresses(output: bytes) -> list[dict[str, Any]]:
    """The items of ``getent ahosts``: each address once."""
    lines: Sequence[str] = output.decode(errors="replace").splitlines()
    return [{"address": each} for each in dict.fromkeys(line.split()[0] for line in lines if line.strip())]


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
