"""The HTTP shell: aiohttp's low-level server, with answers written straight to the transport.

``web.Response`` does about half of the work of a small request; ours are bytes already, so a head and a body is all
that is written. A connection also remembers who its client certificate says it is, and can be turned into a raw tunnel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

#: As upstream limits request bodies.
LARGEST_BODY = 3 * 1024 * 1024
#: A connection without a request (or with half of one) is closed after this.
IDLE_SECONDS = 300.0


class Connection(RequestHandler):
    """One client connection. ``identity`` belongs to whoever authenticates; ``tunnel`` takes all further bytes."""

    __slots__ = ("identity", "tunnel")

    def __init__(self, manager: Any, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.identity: object | None = None
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

    def take_buffered(self) -> bytes:
        """Bytes that arrived behind an upgrade request, before the tunnel was there."""
        buffered, self._message_tail = self._message_tail, b""
        return buffered

    async def drained(self) -> None:
        """Wait until the client has read enough to be written to again."""
        await self._drain_helper()


class HTTPServer(web.Server):
    """A protocol factory for ``loop.create_server``. Handlers are cancelled when their client goes away."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler, handler_cancellation=True, request_factory=self._limited_request)

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, access_log=None, lingering_time=0.0, keepalive_timeout=IDLE_SECONDS)

    def _limited_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=LARGEST_BODY)


def connection_of(request: web.BaseRequest) -> Connection:
    """The connection a request came on."""
    return cast(Connection, request.protocol)
