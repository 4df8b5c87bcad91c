"""Plain HTTP passed on: a container's log, and proxied requests to nodes, pods and Services."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from apiserver.routes.responses import ChunkedStream, Header
from apiserver.routes.streaming.locations import Endpoint
from apiserver.routes.streaming.messages import send_messages, wants_messages
from apiserver.routes.streaming.rewriting import LARGEST_PAGE, Links
from minikube_py.api.errors import BadRequest, InternalError, NotFound, ServiceUnavailable, StatusError

_PIECE = 64 * 1024
_TEXT = b"text/plain"
#: Headers of one hop (RFC 9110, section 7.6.1), and what is ours alone.
_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "host", "authorization", "content-length",
    }
)  # fmt: skip


class Relay:
    """Sends requests on. One pool of connections, closed with the server."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _open(
        self, method: str, url: str, context: ssl.SSLContext | None, **parts: object
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        try:
            async with self._session.request(
                method,
                url,
                ssl=context or True,
                allow_redirects=False,
                **parts,  # type: ignore[arg-type]
            ) as response:
                yield response
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise ServiceUnavailable(f"error trying to reach service: {_words(error)}") from None

    async def log(
        self, request: web.BaseRequest, endpoint: Endpoint, path: str, context: ssl.SSLContext | None
    ) -> web.StreamResponse:
        """Stream a log; the agent's refusals become Statuses."""
        async with self._open("GET", endpoint.url + path, context) as response:
            if response.status != 200:
                raise refusal(response.status, (await response.text()).strip())
            if wants_messages(request):
                return await send_messages(request, response.content.iter_any())
            return await _stream(request, response, _TEXT)

    async def fetch(self, endpoint: Endpoint, path: str, context: ssl.SSLContext | None) -> bytes:
        """A whole document. Raises StatusError for a refusal and for an agent that is not there."""
        async with self._open("GET", endpoint.url + path, context) as response:
            if response.status != 200:
                raise refusal(response.status, (await response.text()).strip())
            return await response.read()

    async def forward(
        self, request: web.BaseRequest, endpoint: Endpoint, path: str, context: ssl.SSLContext | None, prefix: str
    ) -> web.StreamResponse:
        """Pass a whole request on and its answer back. ``prefix`` is the proxy's own path: links are led through it."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        headers |= {"X-Forwarded-For": request.remote or "", "X-Forwarded-Uri": request.raw_path.partition("?")[0]}
        body = request.content if request.body_exists else None
        links = Links(prefix, (endpoint.url.partition("://")[2], request.headers.get("Host", "")))
        async with self._open(request.method, endpoint.url + path, context, headers=headers, data=body) as response:
            content_type = response.headers.get("Content-Type", "").encode() or _TEXT
            if "Location" not in response.headers and content_type.partition(b";")[0].strip() == b"text/html":
                return await _page(request, response, content_type, links)
            return await _stream(request, response, content_type, links=links)


def refusal(status: int, text: str) -> StatusError:
    """What an agent's refusal is to the client (``errors.NewGenericServerResponse``)."""
    kinds: dict[int, type[StatusError]] = {400: BadRequest, 404: NotFound, 503: ServiceUnavailable}
    kind = kinds.get(status)
    return (
        kind(text)
        if kind is not None
        else InternalError(f"an error on the server ({text!r}) has prevented the request from succeeding")
    )


def _words(error: Exception) -> str:
    """As Go's dialer words it; aiohttp's own text would show clients the TLS context."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {error.host}:{error.port}: connect: {(error.strerror or 'failed').lower()}"
    return str(error) or type(error).__name__


async def _page(
    request: web.BaseRequest, response: aiohttp.ClientResponse, content_type: bytes, links: Links
) -> web.StreamResponse:
    start = bytearray()
    async for data in response.content.iter_any():
        start += data
        if len(start) > LARGEST_PAGE:
            return await _stream(request, response, content_type, start=bytes(start))
    page = links.page(bytes(start), response.headers.get("Content-Encoding", ""))
    return await _stream(request, response, content_type, start=page)


async def _stream(
    request: web.BaseRequest,
    response: aiohttp.ClientResponse,
    content_type: bytes,
    *,
    start: bytes = b"",
    links: Links | None = None,
) -> web.StreamResponse:
    """The answer with ``start`` before what is still to come of its body; ``links`` leads its Location through."""
    headers: list[Header] = [
        (name, links.through(value) if links is not None and name.lower() == "location" else value)
        for name, value in response.headers.items()
        if name.lower() not in _HOP and name.lower() != "content-type"
    ]
    stream = ChunkedStream(request)
    stream.start(content_type, status=response.status, headers=headers)
    if start:
        stream.write(start)
        await stream.drained()
    async for data in response.content.iter_any():
        stream.write(data)
        await stream.drained()
    return await stream.finish()
