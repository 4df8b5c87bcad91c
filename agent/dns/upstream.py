"""One name server outside the cluster: questions over UDP on one connected socket, over TCP where an answer is cut.

A connected socket lets the kernel drop packets from anybody else and tell of a refusal at once; a fresh one every
minute, with random message ids, keeps guessing answers hard (RFC 5452). It lives where the host's routes are: the
sockets come from ``HostSockets``.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass

from agent.dns.foreign import BadMessage, Foreign, make_query, parse_response
from minikube_py.aio.clock import Clock
from minikube_py.hostnet.protocol import HostSockets

_FRESH_SOCKET_SECONDS = 60.0
_MOST_WAITING = 4096
_TCP_SECONDS = 3.0


class UpstreamFailed(Exception):
    """No usable answer from this server; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a name server listens."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 53 else f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Server:
        """``1.2.3.4``, ``1.2.3.4:5353``, ``::1``, ``[::1]:5353``."""
        if text.startswith("["):
            host, _, port = text[1:].partition("]")
            return cls(host, int(port.removeprefix(":") or 53))
        if text.count(":") == 1:
            host, _, port = text.partition(":")
            return cls(host, int(port))
        return cls(text)


@dataclass(slots=True)
class _Waiting:
    question: bytes
    answered: asyncio.Future[Foreign]


class Upstream:
    """Asks one server. ``close`` it."""

    def __init__(self, server: Server, *, sockets: HostSockets, clock: Clock) -> None:
        self.server = server
        self._sockets = sockets
        self._clock = clock
        self._socket: socket.socket | None = None
        self._opened_at = 0.0
        self._opening: asyncio.Lock = asyncio.Lock()
        self._waiting: dict[int, _Waiting] = {}

    async def ask(self, question: bytes, *, dnssec_ok: bool, seconds: float) -> Foreign:
        """The server's answer. Raises UpstreamFailed, after ``seconds`` at the latest (a few more over TCP)."""
        answer = await self._ask_udp(question, dnssec_ok, seconds)
        return await self._ask_tcp(question, dnssec_ok) if answer.truncated else answer

    def close(self) -> None:
        """Close the socket; who still waits gets UpstreamFailed."""
        self._drop_socket(f"{self.server}: closed")

    async def _ask_udp(self, question: bytes, dnssec_ok: bool, seconds: float) -> Foreign:
        if len(self._waiting) >= _MOST_WAITING:
            raise UpstreamFailed(f"{self.server}: too many questions are waiting")
        sock = await self._open()
        identifier = self._free_identifier()
        waiting = _Waiting(question, asyncio.get_running_loop().create_future())
        self._waiting[identifier] = waiting
        timer = self._clock.call_later(seconds, lambda: _fail(waiting, f"{self.server}: no answer"))
        try:
            sock.send(make_query(identifier, question, dnssec_ok=dnssec_ok))
            return await waiting.answered
        except OSError as error:
            self._drop_socket(f"{self.server}: {error.strerror or error}")
            raise UpstreamFailed(f"{self.server}: {error.strerror or error}") from error
        finally:
            timer.cancel()
            if self._waiting.get(identifier) is waiting:
                del self._waiting[identifier]
            if waiting.answered.done() and not waiting.answered.cancelled():
                waiting.answered.exception()  # it has been seen, even where nobody was left to see it

    def _free_identifier(self) -> int:
        while (identifier := secrets.randbits(16)) in self._waiting:
            pass
        return identifier

    async def _open(self) -> socket.socket:
        async with self._opening:
            now = self._clock.monotonic()
            stale = now - self._opened_at > _FRESH_SOCKET_SECONDS and not self._waiting
            if self._socket is not None and not stale:
                return self._socket
            self._drop_socket(f"{self.server}: replaced")
            try:
                sock = await self._sockets.connect_udp(self.server.host, self.server.port)
            except OSError as error:
                raise UpstreamFailed(f"{self.server}: {error.strerror or error}") from error
            asyncio.get_running_loop().add_reader(sock, self._readable, sock)
            self._socket, self._opened_at = sock, now
            return sock

    def _drop_socket(self, why: str) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        for waiting in self._waiting.values():
            _fail(waiting, why)
        self._waiting.clear()

    def _readable(self, sock: socket.socket) -> None:
        while True:
            try:
                data = sock.recv(65535)
            except BlockingIOError:
                return
            except OSError as error:  # port unreachable, host unreachable: the server is not there
                if sock is self._socket:
                    self._drop_socket(f"{self.server}: {error.strerror or error}")
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        """An answer; one that fits no question is ignored, for it may be forged and the true one still come."""
        waiting = self._waiting.get(int.from_bytes(data[:2], "big"))
        if waiting is None:
            return
        try:
            answer = parse_response(data, waiting.question)
        except BadMessage:
            return
        if not waiting.answered.done():
            waiting.answered.set_result(answer)

    async def _ask_tcp(self, question: bytes, dnssec_ok: bool) -> Foreign:
        try:
            async with asyncio.timeout(_TCP_SECONDS):
                sock = await self._sockets.connect_tcp(self.server.host, self.server.port)
                await connected(sock)
                reader, writer = await asyncio.open_connection(sock=sock)
                try:
                    query = make_query(secrets.randbits(16), question, dnssec_ok=dnssec_ok)
                    writer.write(len(query).to_bytes(2, "big") + query)
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
                finally:
                    writer.close()
            if data[:2] != query[:2]:
                raise BadMessage("another question's answer")
            return parse_response(data, question)
        except (OSError, EOFError, BadMessage) as error:
            raise UpstreamFailed(f"{self.server}: over TCP: {str(error) or type(error).__name__}") from error


async def connected(sock: socket.socket) -> None:
    """Wait for a connect that is under way. Closes the socket and raises OSError where it fails."""
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, lambda: None if writable.done() else writable.set_result(None))
    try:
        await writable
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
    except BaseException:
        loop.remove_writer(sock)
        sock.close()
        raise
    loop.remove_writer(sock)


def _fail(waiting: _Waiting, why: str) -> None:
    if not waiting.answered.done():
        waiting.answered.set_exception(UpstreamFailed(why))
