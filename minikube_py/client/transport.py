"""HTTP to one server: connections, credentials, retries that the server asks for, failures told apart from refusals."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from minikube_py.aio.clock import Clock
from minikube_py.api.errors import (
    BadRequest,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    OtherStatus,
    ServiceUnavailable,
    StatusError,
    TooManyRequests,
    Unauthorized,
    from_status,
)
from minikube_py.client.access import Access, Credential, TokenSource
from minikube_py.client.errors import ConnectionFailed

CONNECT_SECONDS = 10.0
#: For a whole request and answer; for a stream, until its head has come.
REQUEST_SECONDS = 60.0
#: How often an answer that says "come back later" is followed, as client-go's REST client does.
_MOST_RETRIES = 10
#: Requests of one pool that wait for an answer at once. HTTP/1.1 takes a connection for each: a burst of hundreds
#: would pay as many TLS handshakes, on both ends, and get its answers no sooner.
MOST_AT_ONCE = 16
_COME_BACK_LATER = frozenset({429, 503})
_WITHOUT_STATUS: dict[int, type[StatusError]] = {
    cls.code: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, TooManyRequests, InternalError,
        ServiceUnavailable,
    )
}  # fmt: skip
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)

#: What a broken connection raises out of aiohttp, its timeouts included.
BROKEN = (aiohttp.ClientError, OSError)


class Connections:
    """A pool of connections, which several identities may share."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        #: Held until the head of an answer has come: streams go on without it.
        self.gate = asyncio.Semaphore(MOST_AT_ONCE)

    def session(self) -> aiohttp.ClientSession:
        """The pool, opened when it is first needed."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=75.0)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def close(self) -> None:
        """Close every connection; streams in progress break off."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class StaticCredential:
    """A token that somebody else cares for, or none (``Credential``)."""

    def __init__(self, source: TokenSource | None) -> None:
        self._source = source

    async def token(self) -> str:
        """See ``Credential``."""
        return (self._source() if self._source is not None else None) or ""

    def refused(self, token: str) -> None:
        """See ``Credential``: nothing can be done about it."""
        del token


class Transport:
    """The connections to one server, opened as they are needed. Raises ConnectionFailed and StatusErrors."""

    def __init__(
        self,
        access: Access,
        *,
        user_agent: str,
        clock: Clock,
        credential: Credential | None = None,
        connections: Connections | None = None,
    ) -> None:
        self.server = access.server.rstrip("/")
        self._tls: ssl.SSLContext | bool = access.tls or True
        self._credential = credential or StaticCredential(access.token)
        self._user_agent = user_agent
        self._clock = clock
        self._connections = connections or Connections()

    def acting_as(self, credential: Credential, access: Access, *, user_agent: str) -> Transport:
        """The same pool of connections for somebody with a credential of their own."""
        return Transport(
            access, user_agent=user_agent, clock=self._clock, credential=credential, connections=self._connections
        )

    async def close(self) -> None:
        """Close every connection, for all who share them; streams in progress break off."""
        await self._connections.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The whole answer to a request. Follows "come back later" (429, 503 with Retry-After) a few times."""
        retries = 0
        while True:
            response = await self._send_as_known(method, path, query, body, content_type)
            answer = await self._read(response, method, path)
            if response.status < 400:
                return answer
            delay = _retry_after(response)
            if delay is None or retries == _MOST_RETRIES:
                raise error_of(response.status, answer)
            retries += 1
            await self._clock.sleep(delay)

    async def stream(self, path: str, query: Mapping[str, str] | None = None) -> aiohttp.ClientResponse:
        """A GET whose body the caller reads as it comes, and closes."""
        response = await self._send(
            "GET", path, query, None, "", _STREAM_TIMEOUT, await self._current_token("GET", path)
        )
        if response.status >= 400:
            raise error_of(response.status, await self._read(response, "GET", path))
        _keep_alive(response)
        return response

    def broken(self, what: str, error: BaseException) -> ConnectionFailed:
        """How a broken connection is told to the caller."""
        return ConnectionFailed(f"{self.server}: {what}: {str(error) or type(error).__name__}")

    async def _send_as_known(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None, content_type: str
    ) -> aiohttp.ClientResponse:
        """Send; once more where the server does not know the token, but a new one can be had."""
        token = await self._current_token(method, path)
        response = await self._send(method, path, query, body, content_type, _REQUEST_TIMEOUT, token)
        if response.status == Unauthorized.code and token:
            self._credential.refused(token)
            renewed = await self._current_token(method, path)
            if renewed != token:
                response.release()
                return await self._send(method, path, query, body, content_type, _REQUEST_TIMEOUT, renewed)
        return response

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        token: str,
    ) -> aiohttp.ClientResponse:
        url = URL(f"{self.server}{path}{_query_text(query)}", encoded=True)
        try:
            headers = self._headers(content_type if body is not None else "", token)
            async with asyncio.timeout(REQUEST_SECONDS), self._connections.gate:
                return await self._connections.session().request(
                    method, url, headers=headers, data=body, timeout=timeout, ssl=self._tls
                )
        except BROKEN as error:
            raise self.broken(f"{method} {path}", error) from error

    async def _read(self, response: aiohttp.ClientResponse, method: str, path: str) -> bytes:
        try:
            return await response.read()
        except BROKEN as error:
            raise self.broken(f"{method} {path}", error) from error
        finally:
            response.release()

    async def _current_token(self, method: str, path: str) -> str:
        try:
            return await self._credential.token()
        except OSError as error:
            raise self.broken(f"{method} {path}", error) from error

    def _headers(self, content_type: str, token: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": self._user_agent}
        if content_type:
            headers["Content-Type"] = content_type
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers


def error_of(status: int, body: bytes) -> StatusError:
    """The error in a body: a Status, or plain text as unknown paths and proxies answer."""
    try:
        parsed = orjson.loads(body)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("kind") == "Status":
        return from_status(parsed, http_code=status)
    text = body[:512].decode(errors="replace").strip() or f"HTTP {status}"
    known = _WITHOUT_STATUS.get(status)
    return known(text) if known is not None else OtherStatus(text, code=status, reason="")


def _query_text(query: Mapping[str, str] | None) -> str:
    """Empty values are left out: the server takes an absent parameter and an empty one alike."""
    text = urlencode([(key, value) for key, value in (query or {}).items() if value])
    return f"?{text}" if text else ""


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    header = response.headers.get("Retry-After", "")
    return float(header) if header.isdigit() and response.status in _COME_BACK_LATER else None


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """Let the kernel find out that the other machine is gone, at no cost while it is there."""
    connection = response.connection
    transport = connection.transport if connection is not None else None
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
