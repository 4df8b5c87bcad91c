"""Who wrote what, and when: the recent past with its authors, for ``minik timeline``.

The store's history knows what happened; only the request knows who asked for it. A context variable carries the
request's author to the commit that it leads to; what the server writes of its own accord has none. It is kept in
memory, and forgotten with the process: it is for people who watch, not an audit log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer
from apiserver.store.objects import Change
from minikube_py.aio.clock import Clock
from minikube_py.api.errors import BadRequest
from minikube_py.api.meta import format_micro_time
from minikube_py.api.resources import Resource

PATH = "/debug/timeline"
#: Enough for a large apply and all that follows; the objects are shared with the store's history while that lasts.
_KEPT = 3000
#: Heartbeats: every node renews its own every few seconds, and nothing follows from them.
_LEASES = ("coordination.k8s.io", "leases")

Route = Callable[[web.BaseRequest, RequestInfo, Identity], Awaitable[web.StreamResponse]]


class Author(NamedTuple):
    """Who asked for a write: the user, its User-Agent, and the verb, resource and subresource of the request."""

    user: str
    agent: str
    verb: str
    plural: str
    subresource: str


class _Entry(NamedTuple):
    moment: datetime
    author: Author
    resource: Resource
    change: Change


_SERVER = Author("system:apiserver", "", "", "", "")
#: Writes another resource by its nature; all others that do so are the server's own doing.
_BINDINGS = "bindings"
_author: ContextVar[Author] = ContextVar("author", default=_SERVER)


class Chronicle:
    """The last writes. Give ``record`` every commit, and let every resource request pass through ``witness``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: deque[_Entry] = deque(maxlen=_KEPT)

    def witness(self, serve: Route) -> Route:
        """``serve``, with the author known to the commits within it."""

        async def witnessed(request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
            agent = request.headers.get("User-Agent", "")
            token = _author.set(Author(user.name, agent, info.verb, info.plural, info.subresource))
            try:
                return await serve(request, info, user)
            finally:
                _author.reset(token)

        return witnessed

    def record(self, resource: Resource, change: Change) -> None:
        """Called within the commit: it must not fail, and costs an append."""
        if (resource.group, resource.plural) != _LEASES:
            author = _author.get()
            asked = author.plural in (resource.plural, _BINDINGS)
            self._entries.append(_Entry(self._clock.now(), author if asked else _SERVER, resource, change))

    def answer(self, info: RequestInfo) -> Answer:
        """The writes after revision ``after`` (0: all), of ``namespace`` and of no namespace ("": all). JSON."""
        namespace = info.parameter("namespace")
        try:
            after = int(info.parameter("after", "0"))
        except ValueError:
            raise BadRequest("after must be a revision") from None
        shown = [
            _shown(entry)
            for entry in self._entries
            if entry.change.revision > after and (not namespace or entry.change.current.namespace in (namespace, ""))
        ]
        return Answer(200, orjson.dumps({"writes": shown}))


def _shown(entry: _Entry) -> dict[str, Any]:
    change, resource = entry.change, entry.resource
    previous = change.previous if change.type == "MODIFIED" else None
    return {
        "revision": change.revision,
        "time": format_micro_time(entry.moment),
        **entry.author._asdict(),
        "type": change.type,
        "kind": resource.kind,
        "object": orjson.Fragment(change.current.data),
        "previous": orjson.Fragment(previous.data) if previous is not None else None,
    }
