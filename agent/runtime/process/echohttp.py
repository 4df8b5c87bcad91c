"""The HTTP/1.1 side of the echo server: bytes in, bytes out, no sockets. Standard library only.

``GET /`` answers text, or JSON when the client accepts it or asks by ``?format=json`` or a path in ``.json``.
``?status=503`` sets the status, ``?size=N`` appends N bytes, ``/hostname`` and ``/env`` answer only that: it is what
examples, probes and lessons need.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

_METHODS: Final = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT ")
_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_BODY: Final = 1024 * 1024
_LARGEST_ANSWER: Final = 64 * 1024 * 1024
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 413: "Content Too Large",
                   500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


def looks_like_http(first: bytes) -> bool | None:
    """Whether a connection that begins with ``first`` speaks HTTP; None while that cannot be told."""
    if any(first.startswith(method) for method in _METHODS):
        return True
    return None if any(method.startswith(first) for method in _METHODS) else False


class Reporter:
    """Who answers: the pod's identity and environment. ``log`` takes a line per request."""

    def __init__(
        self, identity: Mapping[str, str], env: Mapping[str, str], *, log: Callable[[str], None] = lambda _line: None
    ) -> None:
        self.identity = dict(identity)
        self.env = dict(env)
        self.log = log

    def greeting(self, protocol: str, peer: tuple[str, int], local: tuple[str, int]) -> bytes:
        """The line a raw client gets first."""
        self.log(f"{_endpoint(peer)} {protocol}")
        who = " ".join(f"{key}={value}" for key, value in self.identity.items())
        return f"{protocol} {who} client={_endpoint(peer)} local={_endpoint(local)}\n".encode()


class _Malformed(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HTTPDialogue:
    """One connection. ``last`` asks to close after the request at hand; ``closing`` says that no more will be read."""

    def __init__(self, reporter: Reporter, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.last = False
        self.closing = False
        self._reporter = reporter
        self._peer = peer
        self._local = local
        self._in = bytearray()
        self._invited = False

    @property
    def idle(self) -> bool:
        """No request has begun."""
        return not self._in

    def feed(self, data: bytes) -> bytes:
        """The answers to every request that is complete now."""
        self._in += data
        out = bytearray()
        try:
            while not self.closing and (answer := self._next()) is not None:
                out += answer
        except _Malformed as fault:
            out += _answer(fault.status, b"", kind="text/plain", close=True)
            self.closing = True
        return bytes(out)

    def _next(self) -> bytes | None:
        end = self._in.find(b"\r\n\r\n")
        if end < 0:
            if len(self._in) > _LONGEST_HEAD:
                raise _Malformed(400)
            return None
        method, path, version, headers = _parse_head(bytes(self._in[:end]))
        body, consumed = _body(self._in, end + 4, headers)
        if body is None:
            return self._invite(headers)
        del self._in[:consumed]
        self._invited = False
        self.closing = self.last or _wants_close(version, headers)
        return self._respond(method, path, headers, body)

    def _invite(self, headers: dict[str, str]) -> bytes | None:
        if headers.get("expect", "").lower() != "100-continue" or self._invited:
            return None
        self._invited = True
        return b"HTTP/1.1 100 Continue\r\n\r\n"

    def _respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        path, _, query = target.partition("?")
        wishes = dict(pair.partition("=")[::2] for pair in query.split("&"))
        report = self._report(method, target, headers, body)
        as_json = "json" in headers.get("accept", "") or path.endswith(".json") or wishes.get("format") == "json"
        text, kind = _render(path, report, as_json=as_json)
        text += b"x" * min(_number(wishes.get("size"), 0), _LARGEST_ANSWER)
        status = _number(wishes.get("status"), 200)
        self._reporter.log(f'{_endpoint(self._peer)} "{method} {target}" {status}')
        answer = _answer(status, text, kind=kind, close=self.closing)
        return answer[: answer.index(b"\r\n\r\n") + 4] if method == "HEAD" else answer

    def _report(self, method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        return {
            **self._reporter.identity,
            "client": _endpoint(self._peer),
            "local": _endpoint(self._local),
            "method": method,
            "path": target,
            "headers": headers,
            "body": body.decode(errors="replace"),
            "env": self._reporter.env,
        }


def _parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _Malformed(400)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise _Malformed(400)
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return parts[0], parts[1], parts[2], headers


def _body(data: bytearray, start: int, headers: dict[str, str]) -> tuple[bytes | None, int]:
    """The body and where it ends in ``data``; None while it is not complete."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunked(data, start)
    length = _number(headers.get("content-length"), 0)
    if length > _LONGEST_BODY:
        raise _Malformed(413)
    end = start + length
    return (bytes(data[start:end]), end) if len(data) >= end else (None, 0)


def _chunked(data: bytearray, start: int) -> tuple[bytes | None, int]:
    body = bytearray()
    while (line_end := data.find(b"\r\n", start)) >= 0:
        try:
            size = int(bytes(data[start:line_end]).split(b";")[0], 16)
        except ValueError:
            raise _Malformed(400) from None
        if size < 0 or len(body) + size > _LONGEST_BODY:
            raise _Malformed(413)
        start = line_end + 2
        if size == 0:
            end = data.find(b"\r\n", start) if data[start : start + 2] == b"\r\n" else data.find(b"\r\n\r\n", start) + 2
            return (bytes(body), end + 2) if end >= start else (None, 0)
        if len(data) < start + size + 2:
            break
        body += data[start : start + size]
        start += size + 2
    return None, 0


def _wants_close(version: str, headers: dict[str, str]) -> bool:
    connection = headers.get("connection", "").lower()
    return "close" in connection or (version == "HTTP/1.0" and "keep-alive" not in connection)


def _render(path: str, report: dict[str, Any], *, as_json: bool) -> tuple[bytes, str]:
    if path == "/hostname":
        return (report.get("pod", "") + "\n").encode(), "text/plain"
    shown = report["env"] if path == "/env" else report
    if as_json:
        return (json.dumps(shown, indent=2) + "\n").encode(), "application/json"
    return _text(shown).encode(), "text/plain; charset=utf-8"


def _text(report: Mapping[str, Any], prefix: str = "") -> str:
    lines = []
    for key, value in report.items():
        lines.append(_text(value, f"{prefix}{key}.") if isinstance(value, dict) else f"{prefix}{key}: {value}\n")
    return "".join(lines)


def _answer(status: int, body: bytes, *, kind: str, close: bool) -> bytes:
    status = status if 200 <= status <= 599 else 400
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {'close' if close else 'keep-alive'}\r\nServer: minik-echo\r\n\r\n"
    )
    return head.encode() + body


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 10 else default


def _endpoint(address: tuple[Any, ...]) -> str:
    host = str(address[0]).removeprefix("::ffff:")
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
