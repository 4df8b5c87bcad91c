"""One HTTP request to a pod, for probes and lifecycle hooks: small, bounded, without verification of certificates.

A probe must not hang, must not follow a pod to another host, and must not read more of an answer than it shows.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

#: What is read of a body (``maxRespBodyLength`` of upstream's prober).
MAX_BODY = 10 * 1024
_MAX_HEADERS = 64 * 1024
_MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)


class HTTPFault(Exception):
    """No answer; the message is worded as Go's http.Client words it, for that is what users know."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GET of ``path`` at host:port. ``headers`` are sent as given; Host and User-Agent are added where missing."""

    scheme: str
    host: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. ``left_host`` is set where a redirect to another host was not followed."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    left_host: bool = False


async def get(request: Request) -> Response:
    """The answer, redirects within the same host followed. Raises HTTPFault. The caller sets the time limit."""
    start = request
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await _exchange(request)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            target = _redirected(request, location)
            if target.host != start.host:
                return replace(answer, left_host=True)
            request = target
        raise HTTPFault(f'Get "{request.path}": stopped after {_MAX_REDIRECTS} redirects')
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise HTTPFault(f'Get "{request.url}": {describe(error, request.host, request.port)}') from error


def describe(error: BaseException, host: str, port: int) -> str:
    """A connection error in Go's words."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {address}: read: connection reset by peer"
    if isinstance(error, EOFError):
        return "EOF"
    if isinstance(error, OSError) and error.strerror:
        return f"dial tcp {address}: connect: {error.strerror.lower()}"
    return str(error) or type(error).__name__


def _redirected(request: Request, location: str) -> Request:
    parts = urlsplit(urljoin(request.url, location))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return replace(request, scheme=parts.scheme, host=parts.hostname or request.host, port=port, path=path)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def _connection(request: Request) -> Any:
    tls = _unverified() if request.scheme == "https" else None
    reader, writer = await asyncio.open_connection(request.host, request.port, ssl=tls, limit=_MAX_HEADERS)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _exchange(request: Request) -> Response:
    async with _connection(request) as (reader, writer):
        writer.write(_encode(request))
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = _parse_head(head)
        return Response(status, (await _body(reader, headers)).decode(errors="replace"), headers)


def _encode(request: Request) -> bytes:
    host = f"[{request.host}]" if ":" in request.host else request.host
    headers = {
        "Host": f"{host}:{request.port}",
        "User-Agent": "kube-probe/1.37",
        "Accept": "*/*",
        "Connection": "close",
    }
    given = {name.title(): value for name, value in request.headers.items()}
    headers |= {name: value for name, value in given.items() if value or name != "User-Agent"}
    if request.headers and given.get("User-Agent") == "":
        headers.pop("User-Agent")
    lines = [f"GET {request.path or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    code = rest.split(" ", 1)[0]
    if not version.startswith("HTTP/") or not code.isdigit():
        raise ValueError(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{lines[0][:80]}"')
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(code), headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """At most MAX_BODY bytes. A body that breaks off is shown as far as it came: the status has decided already."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunked(reader)
    length = headers.get("content-length", "")
    wanted = min(int(length), MAX_BODY) if length.isdigit() else MAX_BODY
    body = b""
    while len(body) < wanted:
        part = await reader.read(wanted - len(body))
        if not part:
            break
        body += part
    return body


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < MAX_BODY:
        size = int((await reader.readline()).split(b";")[0].strip() or b"0", 16)
        if size == 0:
            break
        body += await reader.read(min(size, MAX_BODY)) if size > MAX_BODY else await reader.readexactly(size)
        await reader.readline()
    return body[:MAX_BODY]
