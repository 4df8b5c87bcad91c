"""The front door: who asks, for what, may they, and which route answers. Every refusal becomes a Status here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

import orjson
from aiohttp import web

from apiserver.audit.auditor import AuditedRequest, Auditor
from apiserver.auth.authentication import Authenticator, identity_of_certificate
from apiserver.auth.authorization import Authorization
from apiserver.auth.identity import ANONYMOUS, Identity
from apiserver.auth.impersonation import impersonated
from apiserver.flowcontrol.levels import FlowControl
from apiserver.refusals import internal
from apiserver.routes.connection import Connection, connection_of
from apiserver.routes.metrics import Metrics, is_long_running
from apiserver.routes.options import check_timeout
from apiserver.routes.request import RequestInfo, parse_request
from apiserver.routes.responses import Answer, send
from apiserver.routes.warningheaders import warning_headers
from minikube_py.api.errors import StatusError, Unauthorized

_log = logging.getLogger(__name__)

_IMPERSONATE = "impersonate-"

#: A route outside the resources: gives an answer, or None where the path is not its own.
Document = Callable[[RequestInfo, web.BaseRequest], Answer | None]
#: The same for documents, which may have to be built.
Documents = Callable[[RequestInfo, web.BaseRequest], Awaitable[Answer | None]]
#: A route of resources and subresources.
ResourceRoute = Callable[[web.BaseRequest, RequestInfo, Identity], Awaitable[web.StreamResponse]]


class API:
    """Handles every request of the server."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorization: Authorization,
        public: Document,
        documents: Documents,
        resources: ResourceRoute,
        metrics: Metrics,
        flows: FlowControl,
        auditor: Auditor | None = None,
    ) -> None:
        self._flows = flows
        self._auditor = auditor
        self._metrics = metrics
        self._authenticator = authenticator
        self._authorization = authorization
        self._public = public
        self._documents = documents
        self._resources = resources

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever goes wrong becomes a Status."""
        info = parse_request(request.method, request.raw_path)
        begin = perf_counter()
        response = await self._answer(request, info)
        self._metrics.observe(info, response.status, perf_counter() - begin)
        return response

    async def _answer(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        try:
            return await self._route(request, info)
        except StatusError as error:
            return await send(request, status_answer(error))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.raw_path)
            return await send(request, status_answer(internal(f"{type(error).__name__}: {error}")))

    async def _route(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        connection_of(request).headers = b""
        if "timeout" in info.query and not is_long_running(info):
            check_timeout(info.parameter("timeout"))
        if not info.is_resource:
            answer = self._public(info, request)
            if answer is not None:
                return await send(request, answer)
        user = self._identity(request, info)
        followed = await self._auditor.begin(request, info, user) if self._auditor is not None else None
        if followed is None:
            return await self._seated(request, info, self._acting(request, user))
        with followed.to_the_end(request):
            acting = self._acting(request, user)
            if acting is not user:
                followed.acts_as(acting)
            response = await self._seated(request, info, acting, followed)
            followed.told.status = response.status
            return response

    async def _seated(
        self, request: web.BaseRequest, info: RequestInfo, user: Identity, followed: AuditedRequest | None = None
    ) -> web.StreamResponse:
        """Too many requests at once wait outside: a client that is told so comes back."""
        flow = self._flows.flow(user, info)
        connection_of(request).headers = flow.headers
        if is_long_running(info):
            return await self._authorized(request, info, user, followed)
        self._flows.enter(flow.level)
        try:
            return await self._authorized(request, info, user, followed)
        finally:
            self._flows.leave(flow.level)

    async def _authorized(
        self, request: web.BaseRequest, info: RequestInfo, user: Identity, followed: AuditedRequest | None
    ) -> web.StreamResponse:
        self._authorization.check(user, info)
        if followed is not None:
            followed.decided(True)
        return await self._admitted(request, info, user)

    async def _admitted(self, request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
        if info.is_resource:
            return await self._resources(request, info, user)
        if info.path == "/metrics":
            return await send(request, self._metrics.answer())
        if info.path == "/metrics/slis":
            return await send(request, self._metrics.slis())
        return await send(request, await self._documents(info, request) or not_a_path())

    def _identity(self, request: web.BaseRequest, info: RequestInfo) -> Identity:
        certificate = certificate_identity(connection_of(request))
        try:
            return self._authenticator.identity(certificate, request.headers.get("Authorization", ""))
        except Unauthorized as error:
            if self._auditor is not None:
                self._auditor.refused(request, info, error)
            raise

    def _acting(self, request: web.BaseRequest, user: Identity) -> Identity:
        if any(name[:12].lower() == _IMPERSONATE for name in request.headers):
            return impersonated(user, _all_headers(request), self._authorization)
        return user


def _all_headers(request: web.BaseRequest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault(name.lower(), []).append(value)
    return found


def certificate_identity(connection: Connection) -> Identity | None:
    """Who the connection's client certificate names; read once per connection."""
    if connection.identity is None:
        tls = connection.transport.get_extra_info("ssl_object") if connection.transport is not None else None
        found = identity_of_certificate(tls.getpeercert()) if tls is not None else None
        connection.identity = found or ANONYMOUS
    identity = connection.identity
    return identity if isinstance(identity, Identity) and identity is not ANONYMOUS else None


def status_answer(error: StatusError) -> Answer:
    """A refusal as the client sees it."""
    headers: list[tuple[str, str]] = []
    if error.retry_after_seconds is not None:
        headers.append(("Retry-After", str(error.retry_after_seconds)))
    if isinstance(error, Unauthorized):
        headers.append(("WWW-Authenticate", 'Bearer realm="kubernetes-master"'))
    headers += warning_headers(error.warnings)
    return Answer(error.status_code, orjson.dumps(error.to_status()), headers=tuple(headers))


def not_a_path() -> Answer:
    """The answer to a path that is nobody's."""
    return Answer(404, b"404 page not found\n", b"text/plain; charset=utf-8")
