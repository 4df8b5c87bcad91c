"""The gRPC health check (grpc.health.v1) over the smallest part of HTTP/2 that carries one unary call.

One stream, no compression of our own, no flow control beyond what one tiny exchange needs (RFC 9113, gRPC over
HTTP2). Headers of the answer are passed over unread: a health status comes as data, and a call that ends without data
has failed whatever its trailers say (their HPACK coding would cost more code than all the rest).
"""

from __future__ import annotations

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 0x1, 0x4, 0x1, 0x8
_STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_MAX_FRAME = 1 << 20


class GRPCFault(Exception):
    """The call did not give a health status; the message says what it gave."""


async def check_health(host: str, port: int, service: str) -> str:
    """SERVING, NOT_SERVING, … as the server answers. Raises GRPCFault and OSError; the caller sets the time limit."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _call(host, port, service))
        return await _Call(reader, writer).result()
    except EOFError as error:
        raise GRPCFault("rpc error: code = Unavailable desc = error reading from server: EOF") from error
    finally:
        writer.transport.abort()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _call(host: str, port: int, service: str) -> bytes:
    headers = (
        (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"),
        (":authority", f"{host}:{port}"), ("content-type", "application/grpc"), ("te", "trailers"),
        ("user-agent", "kube-probe/1.37"),
    )  # fmt: skip
    block = b"".join(b"\x10" + _literal(header) + _literal(value) for header, value in headers)
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return _frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, body)


def _literal(text: str) -> bytes:
    """An HPACK string, uncompressed; all of ours are shorter than its one-byte length reaches (127)."""
    data = text.encode()[:126]
    return bytes((len(data),)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Call:
    """Reads frames until the stream ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._body = b""

    async def result(self) -> str:
        while not await self._next_frame():
            pass
        if len(self._body) < 5:
            raise GRPCFault("rpc error: the call ended without a health status")
        return _health(self._body)

    async def _next_frame(self) -> bool:
        """Handle one frame. True: the call is over."""
        head = await self._reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        if length > _MAX_FRAME:
            raise GRPCFault(f"a frame of {length} bytes")
        payload = await self._reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            self._writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RST_STREAM, _GOAWAY):
            raise GRPCFault("rpc error: code = Unavailable desc = the server closed the stream")
        elif kind == _DATA:
            self._body += _strip(flags, payload)
        return kind in (_DATA, _HEADERS) and bool(flags & _END_STREAM)


def _strip(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED:
        return payload
    return payload[1 : len(payload) - payload[0]]


def _health(body: bytes) -> str:
    """The status field of a HealthCheckResponse: field 1, a varint; absent means UNKNOWN."""
    message = body[5 : 5 + int.from_bytes(body[1:5], "big")]
    status = message[1] if len(message) >= 2 and message[0] == 0x08 else 0
    return _STATUSES.get(status, str(status))
