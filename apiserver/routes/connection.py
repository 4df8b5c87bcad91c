"""The HTTP shell: aiohttp's low-level server, with answers written straight to the transport.

``web.Response`` does about half of the work of a small request; ours are bytes already, so a head and a body is all
that is written. A connection also remembers who its client certificate says it is, and can be turned into a raw tunnel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

#: As upstream limits request bodies.
LARGEST_BODY = 3 * 1024 * 1024
#: A connection without a request (or with half of one) is closed after this.
IDLE_SECONDS = 300.0
#: As Go's servers limit a request's line and headers: a command to run in a container is part of the line.
LARGEST_HEAD = 1 << 20


#: The protobuf form of an answer that is given in JSON, None where it has none.
Seal = Callable[[bytes], bytes | None]


class Recorder(Protocol):
    """Who wants to know what is sent on a connection in answer to a request."""

    def began(self, status: int) -> None:
        """A streamed answer begins."""
        ...

    def sent(self, data: bytes) -> None:
        """A piece of the body, before it is framed or compressed."""
        ...


class Connection(RequestHandler):
    """One client connection. ``identity`` belongs to whoever authenticates; ``tunnel`` takes all further bytes.

    ``seal`` gives the protobuf form of an answer in JSON; ``recorder`` hears of the answer being sent; ``headers`` are
    header lines that belong to whatever the present request is answered.
    """

    __slots__ = ("headers", "identity", "recorder", "seal", "tunnel")

    def __init__(self, manager: Any, *, seal: Seal, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.seal = seal
        self.headers = b""
        self.identity: object | None = None
        self.recorder: Recorder | None = None
        self.tunnel: Callable[[bytes], None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel(data)
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.tunnel is not None:
            self.tunnel(b"")
        super().connection_lost(exc)

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """End the connection, after the request that is being answered; one that has not arrived whole never will."""
        request = self._current_request
        if request is not None and not request.content.is_eof():
            self.force_close()
        await super().shutdown(timeout)

    def take_buffered(self) -> bytes:
        """Bytes that arrived behind an upgrade request, before the tunnel was there."""
        buffered, self._message_tail = self._message_tail, b""
        return buffered

    @property
    def unsent_bytes(self) -> int:
        """How much is waiting for the client to read it."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    async def drained(self) -> None:
        """Wait while the client has too much to read to be written to again."""
        if self.writing_paused:
            await self._drain_helper()


class HTTPServer(web.Server):
    """A protocol factory for ``loop.create_server``. Handlers are cancelled when their client goes away."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], *, seal: Seal) -> None:
        super().__init__(handler, handler_cancellation=True, request_factory=self._limited_request)
        self._seal = seal

    def __call__(self) -> Connection:
        settings: dict[str, Any] = {"access_log": None, "lingering_time": 0.0, "keepalive_timeout": IDLE_SECONDS}
        settings |= dict.fromkeys(("max_line_size", "max_field_size"), LARGEST_HEAD)
        return Connection(self, seal=self._seal, loop=self._loop, **settings)

    def _limited_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=LARGEST_BODY)


def connection_of(request: web.BaseRequest) -> Connection:
    """The connection a request came on."""
    return cast(Connection, request.protocol)
