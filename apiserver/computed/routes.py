"""GET and LIST of computed resources, in every form that stored ones have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.refusals import not_found
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import Table
from apiserver.routes.negotiation import negotiate
from apiserver.routes.options import list_options
from apiserver.routes.reading import render, selection_of, send_list
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import send
from apiserver.routes.served import Served
from apiserver.routes.warningheaders import deprecation_headers
from apiserver.schema.messages import Messages
from apiserver.store.collection import Page
from apiserver.store.store import Store
from minikube_py.api.errors import MethodNotAllowed
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: Works out the objects of a namespace ("" for all) with a name ("" for any).
Source = Callable[[str, str], Awaitable[list[Object]]]


@dataclass(frozen=True, slots=True)
class Computed:
    """A computed resource: nothing is kept, its (empty) collection only lends the form of stored objects.

    ``typed``: whether its types are published, so that answers can be had in protobuf.
    """

    served: Served
    source: Source
    typed: bool

    async def serve(self, request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
        """Answer a read. Raises MethodNotAllowed, NotFound, BadRequest (selectors)."""
        del user
        if info.subresource or info.verb not in ("get", "list"):
            raise MethodNotAllowed()
        served, headers = self.served, deprecation_headers(self.served.resource)
        wanted = negotiate(request.headers.get("Accept", ""))
        include = info.parameter("includeObject", "Metadata")
        if info.verb == "get":
            found = await self.source(info.namespace, info.name)
            if not found:
                raise not_found(served.resource, info.name)
            answer = render(served.form(wanted, include).object(served.collection.preview(found[0], None)), wanted)
            answer.headers = headers
            return await send(request, answer)
        selection = selection_of(served, info.namespace, list_options(info.query, watch=False))
        matches = selection.matcher(served.collection.fields.paths)
        objects = await self.source(info.namespace, "")
        items = [stored for stored in (served.collection.preview(obj, None) for obj in objects) if matches(stored)]
        form = served.streamed_form(wanted, include) if self.typed else served.form(wanted, include)
        return await send_list(request, form, Page(items, 0), wanted, headers)


class ComputedResources:
    """The routes of computed resources by group, version and plural."""

    def __init__(self, *, store: Store, now: Callable[[], datetime], messages: Messages) -> None:
        self._store = store
        self._now = now
        self._messages = messages
        self._routes: dict[tuple[str, str, str], Computed] = {}

    def add(self, resource: Resource, table: Table, source: Source, *, typed: bool) -> None:
        """Serve ``resource`` from ``source``."""
        strategy = KindStrategy(resource=resource, table=table)
        served = Served(resource, self._store.collection(resource), strategy, self._now, self._messages)
        self._routes[(resource.group, resource.version, resource.plural)] = Computed(served, source, typed)

    def find(self, group: str, version: str, plural: str) -> Computed | None:
        """The resource under this path, None where it is stored or not there."""
        return self._routes.get((group, version, plural))

    def all(self) -> list[Resource]:
        """What is served."""
        return [computed.served.resource for computed in self._routes.values()]
