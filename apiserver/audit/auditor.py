"""Follows requests through the server and tells the log, as the policy says.

Stages as upstream's (``apiserver/pkg/endpoints/filters/audit.go``): RequestReceived once it is known who asks,
ResponseStarted when a request that may last for ever is let in, ResponseComplete at its end, Panic where we broke.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from apiserver.audit.event import Asked, Told
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import COMPLETE, PANIC, RECEIVED, STARTED, Level, Policy
from apiserver.auth.identity import Identity
from apiserver.routes.bodies import read_body
from apiserver.routes.connection import connection_of
from apiserver.routes.metrics import is_long_running
from apiserver.routes.negotiation import PROTOBUF
from apiserver.routes.request import RequestInfo
from apiserver.schema import yamltext
from apiserver.schema.schema import FieldValidation, Schema
from minikube_py.api.errors import Forbidden, StatusError
from minikube_py.api.resources import ResourceTable

_DECISION = "authorization.k8s.io/decision"
_REASON = "authorization.k8s.io/reason"
_UNKNOWN_CODE = 500

#: Turns a request's body of some content type into what it says; None where it says nothing readable.
BodyReader = Callable[[bytes, str, RequestInfo], Any]


class Auditor:
    """One server's audit. ``now`` is the wall time."""

    def __init__(self, *, policy: Policy, log: AuditLog, now: Callable[[], datetime], read: BodyReader) -> None:
        self._policy = policy
        self._log = log
        self._now = now
        self._read = read

    async def begin(self, request: web.BaseRequest, info: RequestInfo, user: Identity) -> AuditedRequest | None:
        """Start to follow a request; None where the policy tells nothing about it. Raises as reading a body does."""
        verdict = self._policy.judge(user, info)
        if verdict.level is Level.NONE:
            return None
        asked = Asked(info, request.raw_path, user, _addresses(request), request.headers.get("User-Agent", ""))
        followed = AuditedRequest(Told(asked, verdict, self._now()), self._log, self._now)
        followed.tell(RECEIVED)
        wanted = verdict.level >= Level.REQUEST or info.verb == "create"  # a create's name is in its body
        if wanted and request.can_read_body and not is_long_running(info):
            content_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
            followed.told.request_object = self._read(await read_body(request), content_type, info)
        connection_of(request).recorder = followed
        return followed

    def refused(self, request: web.BaseRequest, info: RequestInfo, error: StatusError) -> None:
        """Tell of a request whose sender is not known."""
        nobody = Identity("")
        verdict = self._policy.judge(nobody, info)
        if verdict.level is Level.NONE:
            return
        asked = Asked(info, request.raw_path, nobody, _addresses(request), request.headers.get("User-Agent", ""))
        told = Told(asked, verdict, self._now(), error=error, status=error.status_code)
        AuditedRequest(told, self._log, self._now).tell(COMPLETE)

    def close(self) -> None:
        """Close the log."""
        self._log.close()


class AuditedRequest:
    """One request on its way."""

    def __init__(self, told: Told, log: AuditLog, now: Callable[[], datetime]) -> None:
        self.told = told
        self._log = log
        self._now = now

    def tell(self, stage: str) -> None:
        """Write the event of a stage, unless the policy omits it."""
        if stage not in self.told.verdict.omit_stages:
            self._log.write([self.told.event(stage, self._now())])

    def decided(self, allowed: bool, reason: str = "") -> None:
        """What authorization said."""
        self.told.annotations |= {_DECISION: "allow" if allowed else "forbid", _REASON: reason}

    def acts_as(self, user: Identity) -> None:
        """The sender acts as somebody else."""
        self.told.impersonated = user

    def began(self, status: int) -> None:
        """See ``Recorder``."""
        if is_long_running(self.told.asked.info):
            self.told.status = status
            self.tell(STARTED)

    def sent(self, data: bytes) -> None:
        """See ``Recorder``."""
        if self.told.verdict.level >= Level.REQUEST_RESPONSE and not is_long_running(self.told.asked.info):
            self.told.response.append(data)

    @contextmanager
    def to_the_end(self, request: web.BaseRequest) -> Iterator[None]:
        """Tell how what happens within ends."""
        try:
            yield
        except StatusError as error:
            self.told.error, self.told.status = error, error.status_code
            self.told.response[:] = [orjson.dumps(error.to_status())]
            if isinstance(error, Forbidden) and not self.told.annotations:
                self.decided(False)
            self.tell(COMPLETE)
            raise
        except (asyncio.CancelledError, ConnectionError):
            self.tell(COMPLETE)  # the client went away
            raise
        except Exception:
            self.told.status = _UNKNOWN_CODE
            self.tell(PANIC)
            raise
        else:
            self.tell(COMPLETE)
        finally:
            connection_of(request).recorder = None


def body_reader(schema: Schema, table: ResourceTable) -> BodyReader:
    """Reads bodies of every content type that the API takes; what it cannot read it leaves out."""

    def read(body: bytes, content_type: str, info: RequestInfo) -> Any:
        try:
            if content_type == PROTOBUF:
                resource = table.find(info.group, info.version, info.plural)
                if resource is None or info.subresource:
                    return None
                return schema.decode_body(body, PROTOBUF, resource, FieldValidation.IGNORE).object
            return yamltext.parse(body)[0] if "yaml" in content_type else orjson.loads(body)
        except (StatusError, ValueError):
            return None

    return read


def _addresses(request: web.BaseRequest) -> list[str]:
    """Whom the request came through, first the client: as its proxies say, then the peer itself."""
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if isinstance(peer, tuple) and str(peer[0]) not in forwarded:
        forwarded.append(str(peer[0]))
    return forwarded
