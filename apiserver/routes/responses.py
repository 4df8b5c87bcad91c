"""Answers: a complete body, or a stream of chunks with back-pressure. Both are written straight to the transport."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from aiohttp import web

from apiserver.routes.connection import Connection, connection_of
from apiserver.routes.negotiation import PROTOBUF, negotiate
from minikube_py.api.errors import NotAcceptable

JSON = b"application/json"
_PHRASES = {status.value: f"{status.value} {status.phrase}".encode() for status in HTTPStatus}
_COMMON = b"Cache-Control: no-cache, private\r\n"

Header = tuple[str, str]


@dataclass(slots=True)
class Answer:
    """A whole response. ``body`` is complete and already encoded."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


def encode_headers(headers: Iterable[Header]) -> bytes:
    """Header lines. Line breaks in values would let a client write headers of its own: they become spaces."""
    return b"".join(_header_line(name, value) for name, value in headers)


def _header_line(name: str, value: str) -> bytes:
    return f"{name}: {value}".replace("\r", " ").replace("\n", " ").encode("utf-8", "replace") + b"\r\n"


def response_head(status: int, content_type: bytes, framing: bytes, headers: Sequence[Header] = ()) -> bytes:
    """Status line and headers, with the blank line."""
    cached = any(name == "Cache-Control" for name, _ in headers)
    return b"HTTP/1.1 %b\r\n%bContent-Type: %b\r\n%b%b\r\n" % (
        _PHRASES[status],
        b"" if cached else _COMMON,
        content_type,
        framing,
        encode_headers(headers),
    )


class Written:
    """Stands for a response that has been written already, so that aiohttp goes on to the next request."""

    def __init__(self, *, keep_alive: bool, status: int = 200) -> None:
        self.keep_alive = keep_alive
        self.status = status

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self) -> None:
        """Nothing is left to do."""


def as_response(written: Written) -> web.StreamResponse:
    """``Written`` in the type that aiohttp's handlers are declared with; it only calls what Written has."""
    return cast(web.StreamResponse, written)


async def send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Write a whole answer, in protobuf where the client would rather have that."""
    connection = connection_of(request)
    if connection.recorder is not None:
        connection.recorder.sent(answer.body)
    if answer.content_type is JSON and PROTOBUF in request.headers.get("Accept", ""):
        _seal(request, answer)
    transport, keep_alive = request.transport, request.keep_alive
    if transport is None:
        raise ConnectionResetError("the client went away")
    framing = b"Content-Length: %d\r\n%b" % (len(answer.body), connection.headers)
    if not keep_alive:
        framing += b"Connection: close\r\n"
    head = response_head(answer.status, answer.content_type, framing, answer.headers)
    transport.write(head if request.method == "HEAD" else head + answer.body)
    await connection.drained()
    return as_response(Written(keep_alive=keep_alive, status=answer.status))


def _seal(request: web.BaseRequest, answer: Answer) -> None:
    """Turn an object into its protobuf form, in place. What has none stays as it is."""
    try:
        wanted = negotiate(request.headers.get("Accept", ""))
    except NotAcceptable:
        return
    sealed = connection_of(request).seal(answer.body) if wanted.protobuf else None
    if sealed is not None:
        answer.body, answer.content_type = sealed, PROTOBUF.encode()


def chunk(data: bytes) -> bytes:
    """``data`` framed as one HTTP/1.1 chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkedStream:
    """An open response. ``write`` never waits; ``drained`` does, until the client has caught up."""

    def __init__(self, request: web.BaseRequest, *, compress: bool = False) -> None:
        self._request = request
        self._connection: Connection = connection_of(request)
        self._compressor = zlib.compressobj(1, wbits=31) if compress else None
        self.started = False

    def start(self, content_type: bytes = JSON, *, status: int = 200, headers: Sequence[Header] = ()) -> None:
        """Write the head."""
        framing = b"Transfer-Encoding: chunked\r\n" + self._connection.headers
        if self._compressor is not None:
            framing += b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
        self.started = True
        if self._connection.recorder is not None:
            self._connection.recorder.began(status)
        self.write_raw(response_head(status, content_type, framing, headers))

    def write(self, data: bytes) -> None:
        """Write a piece of the body."""
        if self._connection.recorder is not None:
            self._connection.recorder.sent(data)
        if self._compressor is not None:
            data = self._compressor.compress(data)
        if data:
            self.write_raw(chunk(data))

    def write_joined(self, parts: Sequence[bytes], size: int) -> None:
        """Write ``parts``, which have ``size`` bytes in all, as one piece; copied once, however large."""
        if self._compressor is not None or self._connection.recorder is not None:
            self.write(b"".join(parts))
        elif size:
            self.write_raw(b"".join((b"%x\r\n" % size, *parts, b"\r\n")))

    def write_raw(self, data: bytes) -> None:
        """Write bytes that are framed already. Raises ConnectionResetError when the client is gone."""
        transport = self._connection.transport
        if transport is None:
            raise ConnectionResetError("the client went away")
        transport.write(data)

    @property
    def unsent_bytes(self) -> int:
        """How much is waiting for the client to read it."""
        return self._connection.unsent_bytes

    async def drained(self) -> None:
        """Wait while the client is behind."""
        await self._connection.drained()

    async def finish(self) -> web.StreamResponse:
        """Write the end; the connection can be used again."""
        if self._compressor is not None:
            self.write_raw(chunk(self._compressor.flush()))
        self.write_raw(b"0\r\n\r\n")
        await self.drained()
        return as_response(Written(keep_alive=self._request.keep_alive))
