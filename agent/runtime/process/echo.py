"""The server behind ``minik.local/echo``: says who answers and what was asked, over HTTP, raw TCP and UDP on one port.

It runs in the forked container process itself, without exec: the machine has imported it long before, so a pod answers
within milliseconds. A connection whose first bytes look like an HTTP request is HTTP/1.1 (keep-alive, pipelining,
chunked bodies); any other gets a greeting line and its bytes back. One thread, edge-free polling, bounded buffers.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from agent.runtime.process.echohttp import HTTPDialogue, Reporter, looks_like_http
from agent.runtime.process.model import EchoConfig
from minikube_py.linux import process

_CHUNK: Final = 64 * 1024
_BACKLOG: Final = 1024
_MOST_PENDING: Final = 256 * 1024
_ACCEPTS: Final = 32
_DEFAULT_PORT: Final = 8080
#: A server hears of its end at the moment when the cluster begins to withdraw its endpoint: clients go on coming until
#: every node has heard of it ("Pod Lifecycle", termination of Pods). It stops listening when none came for a while.
_QUIET_SECONDS: Final = 0.1
_LONGEST_FAREWELL_SECONDS: Final = 2.0


def serve(config: EchoConfig, env: Mapping[str, str], *, ready: Callable[[], None]) -> int:
    """Serves until SIGTERM, finishes what is in flight, and returns the exit code."""
    process.reset_signals()
    server = EchoServer(Reporter(config.identity, env, log=_log))
    try:
        for protocol, port in ports_of(config, env):
            server.listen(protocol, port)
            _log(f"listening on {protocol.lower()} {port}")
    except OSError as error:
        ready()
        os.write(2, f"echo: cannot listen: {error}\n".encode())
        return 1
    server.heed_signals()  # before anybody is told that it runs: the kernel drops what pid 1 has no handler for
    ready()
    return server.run()


def _log(line: str) -> None:
    """To the container's log. A terminal that is gone must not end the server."""
    printable = line.encode("ascii", "backslashreplace").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    with suppress(OSError):
        os.write(1, printable + b"\n")


def ports_of(config: EchoConfig, env: Mapping[str, str]) -> list[tuple[str, int]]:
    """The declared ports, else $PORT, else 8080."""
    declared = [(protocol, port) for protocol, port in config.ports if protocol in ("TCP", "UDP")]
    if declared:
        return list(dict.fromkeys(declared))
    port = env.get("PORT", "")
    return [("TCP", int(port) if port.isdigit() and 0 < int(port) < 65536 else _DEFAULT_PORT)]


class EchoServer:
    """Listening sockets and their connections on one selector."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._farewell: Farewell | None = None

    def listen(self, protocol: str, port: int) -> None:
        """Raises OSError."""
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        listener = _bind(kind, port)
        listener.setblocking(False)
        if kind == socket.SOCK_STREAM:
            listener.listen(_BACKLOG)
        job = self._accept if kind == socket.SOCK_STREAM else self._answer
        self._selector.register(listener, selectors.EVENT_READ, lambda _mask: job(listener))
        self._listeners.append(listener)

    def heed_signals(self) -> None:
        """From here on SIGTERM and SIGINT end it in order."""
        wake, self._signalled = socket.socketpair()
        for end in (wake, self._signalled):
            end.setblocking(False)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, lambda _mask: wake.recv(64))

    def run(self) -> int:
        """Serves until it is told to end. Returns the exit code."""
        while self._farewell is None or self._listeners or self._connections:
            for key, mask in self._selector.select(self._patience()):
                key.data(mask)
            if self._farewell is not None:
                self._wind_down(self._farewell)
        return 0

    def _stop(self, *_: object) -> None:
        self._farewell = self._farewell or Farewell(time.monotonic())

    def _patience(self) -> float | None:
        if self._farewell is None or not self._listeners:
            return None
        return max(self._farewell.over() - time.monotonic(), 0.0)

    def _wind_down(self, farewell: Farewell) -> None:
        """Idle connections are closed; the others, and those that still come, have one request each."""
        over = time.monotonic() >= farewell.over()
        if over:
            self._stop_listening()
        for connection in list(self._connections):
            connection.finish(patient=not over)

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            if listener.type == socket.SOCK_STREAM:
                self._accept(listener)
            self._selector.unregister(listener)
            listener.close()
        self._listeners.clear()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                channel, peer = listener.accept()
            except OSError:
                return
            if self._farewell is not None:
                self._farewell.came(time.monotonic())
            self._connections.add(Connection(channel, peer, self._reporter, self._selector, self._connections.discard))

    def _answer(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                data, peer = listener.recvfrom(_CHUNK)
            except OSError:
                return
            greeting = self._reporter.greeting("udp", peer, listener.getsockname())
            with suppress(OSError):
                listener.sendto(greeting + data, peer)


class Farewell:
    """How long a server that was told to stop goes on listening. Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._latest = now + _LONGEST_FAREWELL_SECONDS
        self._quiet_since = now

    def came(self, now: float) -> None:
        """Another client."""
        self._quiet_since = now

    def over(self) -> float:
        """When it stops listening, if nobody comes."""
        return min(self._quiet_since + _QUIET_SECONDS, self._latest)


class Connection:
    """One TCP connection: HTTP or raw, decided by its first bytes."""

    def __init__(
        self,
        channel: socket.socket,
        peer: tuple[str, int],
        reporter: Reporter,
        selector: selectors.BaseSelector,
        gone: Callable[[Connection], None],
    ) -> None:
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._channel = channel
        self._peer = peer
        self._local = channel.getsockname()
        self._reporter = reporter
        self._selector = selector
        self._gone = gone
        self._first = bytearray()
        self._decided = False
        self._http: HTTPDialogue | None = None
        self._out = bytearray()
        self._input_ended = False
        self._closing = False
        self._last = False
        self._mask = selectors.EVENT_READ
        selector.register(channel, self._mask, self._ready)

    def finish(self, *, patient: bool) -> None:
        """The server stops: close when nothing is half-done. ``patient`` leaves time to who has not yet said a word."""
        self._last = True
        if self._http is not None:
            self._http.last = True
        idle = self._http.idle if self._http is not None else self._decided or not patient
        if idle and not self._out and not self._pending_input():
            self._close()

    def _pending_input(self) -> bool:
        try:
            return bool(self._channel.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _ready(self, mask: int) -> None:
        try:
            if mask & selectors.EVENT_READ:
                self._read()
            self._flush()
        except OSError:
            self._close()

    def _read(self) -> None:
        try:
            data = self._channel.recv(_CHUNK)
        except BlockingIOError:
            return
        if data:
            self._take(data)
        else:
            self._end_of_input()

    def _take(self, data: bytes) -> None:
        if not self._decided:
            self._first += data
            verdict = looks_like_http(bytes(self._first))
            if verdict is None:
                return  # too few bytes to tell
            data = bytes(self._first)
            self._decide(http=verdict)
        if self._http is None:
            self._out += data
            return
        self._out += self._http.feed(data)
        self._closing = self._closing or self._http.closing

    def _end_of_input(self) -> None:
        self._input_ended = True
        if not self._decided:
            self._decide(http=False)
            self._out += self._first
        self._closing = True

    def _decide(self, *, http: bool) -> None:
        self._decided = True
        if http:
            self._http = HTTPDialogue(self._reporter, self._peer, self._local)
            self._http.last = self._last
        else:
            self._out += self._reporter.greeting("tcp", self._peer, self._local)

    def _flush(self) -> None:
        if self._out:
            with suppress(BlockingIOError):
                del self._out[: self._channel.send(self._out)]
        if self._closing and not self._out:
            self._close()
            return
        wants = selectors.EVENT_WRITE if self._out else 0
        if len(self._out) < _MOST_PENDING and not self._input_ended and not self._closing:
            wants |= selectors.EVENT_READ
        if wants != self._mask:
            self._mask = wants
            self._selector.modify(self._channel, wants, self._ready)

    def _close(self) -> None:
        if self._channel.fileno() >= 0:
            self._selector.unregister(self._channel)
            with suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)
            self._channel.close()
        self._gone(self)


def _bind(kind: int, port: int) -> socket.socket:
    """A socket on every address of both families, or of IPv4 alone where there is no IPv6."""
    try:
        both = socket.socket(socket.AF_INET6, kind)
    except OSError:
        both = socket.socket(socket.AF_INET, kind)
    try:
        if both.family == socket.AF_INET6:
            both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            both.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        both.bind(("", port))
    except OSError as error:
        both.close()
        raise OSError(error.errno, f"port {port}: {error.strerror}") from error
    return both
