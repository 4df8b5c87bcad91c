"""The routes of stored resources: one method per verb, each a thin shell around the pure parts."""

from __future__ import annotations

from dataclasses import replace

import orjson
from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.registry.context import Reader
from apiserver.routes.bodies import read_body, read_delete_options, read_object
from apiserver.routes.deleting import Deleter
from apiserver.routes.negotiation import negotiate
from apiserver.routes.options import WriteOptions, delete_options, list_options, write_options
from apiserver.routes.patching import Patcher, patch_kind
from apiserver.routes.reading import read_object as get_object
from apiserver.routes.reading import read_page, render, selection_of, send_list
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import send
from apiserver.routes.served import Served
from apiserver.routes.warningheaders import deprecation_headers, warned, warning_headers
from apiserver.routes.watching import WatchRoute
from apiserver.routes.writing import Writer, WriteRequest, Written
from apiserver.schema.schema import Schema
from apiserver.store.collection import Page
from apiserver.store.objects import StoredObject
from apiserver.store.store import Store
from minikube_py.aio.clock import Clock
from minikube_py.api.errors import MethodNotAllowed
from minikube_py.api.patch import PatchKind
from minikube_py.api.resources import (
    CSIDRIVERS,
    CSINODES,
    DEVICECLASSES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    PODTEMPLATES,
    RESOURCECLAIMS,
    RESOURCECLAIMTEMPLATES,
    RESOURCEQUOTAS,
    RESOURCESLICES,
    SERVICEACCOUNTS,
    SERVICES,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    VOLUMEATTRIBUTESCLASSES,
)

#: Kinds whose deletion answers with the object; the others answer with a Status.
_SHOW_DELETED = frozenset(
    {
        PODS, SERVICES, SERVICEACCOUNTS, PODTEMPLATES, RESOURCEQUOTAS, PERSISTENTVOLUMES, PERSISTENTVOLUMECLAIMS,
        STORAGECLASSES, VOLUMEATTACHMENTS, CSINODES, CSIDRIVERS, VOLUMEATTRIBUTESCLASSES, DEVICECLASSES, RESOURCECLAIMS,
        RESOURCECLAIMTEMPLATES, RESOURCESLICES,
    }
)  # fmt: skip


def manager_of(request: web.BaseRequest, options: WriteOptions) -> str:
    """The field manager: as asked, or the program at the head of the User-Agent."""
    if options.field_manager:
        return options.field_manager
    agent = request.headers.get("User-Agent", "").partition("/")[0]
    return "".join(character for character in agent if character.isprintable())[:128] or "unknown"


class ResourceRoutes:
    """Serves every verb on objects and collections, and updates through subresources of the object's own kind."""

    def __init__(self, *, store: Store, schema: Schema, writer: Writer, patcher: Patcher, clock: Clock) -> None:
        self._store = store
        self._schema = schema
        self._writer = writer
        self._patcher = patcher
        self._deleter = Deleter(writer)
        self._clock = clock
        self._watches = WatchRoute(store=store, clock=clock)

    @property
    def reader(self) -> Reader:
        """What the writer reads through."""
        return self._writer.reader

    async def serve(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """Answer one request. Raises StatusError."""
        match info.verb:
            case "get":
                return await self._get(request, info, served)
            case "list":
                return await self._list(request, info, served)
            case "watch":
                return await self._watch(request, info, served)
            case "create":
                return await self._create(request, info, served, user)
            case "update":
                return await self._update(request, info, served, user)
            case "patch":
                return await self._patch(request, info, served, user)
            case "delete":
                return await self._delete(request, info, served, user)
            case "deletecollection":
                return await self._delete_collection(request, info, served, user)
        raise MethodNotAllowed()

    async def _get(self, request: web.BaseRequest, info: RequestInfo, served: Served) -> web.StreamResponse:
        answer = get_object(self._store, served, info, request.headers.get("Accept", ""))
        answer.headers = deprecation_headers(served.resource)
        return await send(request, answer)

    async def _list(self, request: web.BaseRequest, info: RequestInfo, served: Served) -> web.StreamResponse:
        options = list_options(info.query, watch=False)
        selection = selection_of(served, info.namespace, options)
        wanted = negotiate(request.headers.get("Accept", ""))
        page = read_page(served, selection, options, self._store.revision)
        form = served.streamed_form(wanted, info.parameter("includeObject", "Metadata"))
        return await send_list(request, form, page, wanted, deprecation_headers(served.resource))

    async def _watch(self, request: web.BaseRequest, info: RequestInfo, served: Served) -> web.StreamResponse:
        options = list_options(info.query, watch=True)
        if info.path.split("/")[3:4] == ["watch"] and info.name:
            options = replace(options, field_selector=f"metadata.name={info.name}")
        selection = selection_of(served, info.namespace, options)
        wanted = negotiate(request.headers.get("Accept", ""))
        form = served.streamed_form(wanted, info.parameter("includeObject", "Metadata"))
        return await self._watches.serve(request, served.collection, selection, form, options)

    def write_request(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity, options: WriteOptions
    ) -> WriteRequest:
        """The write that an HTTP request asks for."""
        return WriteRequest(
            served=served,
            user=user,
            now=self._clock.now(),
            namespace=info.namespace,
            name=info.name,
            subresource=info.subresource,
            manager=manager_of(request, options),
            dry_run=options.dry_run,
        )

    async def _create(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        options = write_options(info.query, "CreateOptions")
        decoded = await read_object(request, self._schema, served.resource, options)
        write = self.write_request(request, info, served, user, options)
        write.warn(decoded.warnings)
        with warned(write.warnings):
            created = self._writer.create(write, decoded.object)
        return await self._answer(request, write, created)

    async def _update(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        options = write_options(info.query, "UpdateOptions")
        decoded = await read_object(request, self._schema, served.resource, options)
        write = self.write_request(request, info, served, user, options)
        write.warn(decoded.warnings)
        with warned(write.warnings):
            updated = self._writer.update(write, decoded.object)
        return await self._answer(request, write, updated)

    async def _patch(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        kind = patch_kind(request.headers.get("Content-Type", ""))
        options = write_options(info.query, "PatchOptions", apply=kind is PatchKind.APPLY)
        body = await read_body(request)
        write = self.write_request(request, info, served, user, options)
        with warned(write.warnings):
            patched = self._patcher.patch(write, kind, body, options)
        return await self._answer(request, write, patched)

    async def _answer(self, request: web.BaseRequest, write: WriteRequest, written: Written) -> web.StreamResponse:
        wanted = negotiate(request.headers.get("Accept", ""))
        answer = render(write.served.form(wanted).object(written.stored), wanted, 201 if written.created else 200)
        answer.headers = deprecation_headers(write.served.resource) + warning_headers(write.warnings)
        return await send(request, answer)

    async def _delete(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        options = delete_options(info.query, await read_delete_options(request, self._schema))
        write = self.write_request(request, info, served, user, WriteOptions(dry_run=options.dry_run))
        with warned(write.warnings):
            deleted = self._deleter.delete(write, options)
        wanted = negotiate(request.headers.get("Accept", ""))
        if deleted.gone and served.resource not in _SHOW_DELETED:
            answer = render(_deleted_status(served, deleted.stored), wanted)
        else:
            answer = render(served.form(wanted).object(deleted.stored), wanted)
        answer.headers = deprecation_headers(write.served.resource) + warning_headers(write.warnings)
        return await send(request, answer)

    async def _delete_collection(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        listing = list_options(info.query, watch=False)
        options = delete_options(info.query, await read_delete_options(request, self._schema))
        write = self.write_request(request, info, served, user, WriteOptions(dry_run=options.dry_run))
        selection = selection_of(served, info.namespace, listing)
        selected = list(read_page(served, selection, listing, self._store.revision).items)
        items = await self._deleter.delete_collection(write, options, selected)
        wanted = negotiate(request.headers.get("Accept", ""))
        return await send_list(request, served.streamed_form(wanted), Page(items, self._store.revision), wanted)


def _deleted_status(served: Served, stored: StoredObject) -> bytes:
    resource = served.resource
    details = {"name": stored.name, "kind": resource.plural, "uid": stored.uid}
    if resource.group:
        details["group"] = resource.group
    return orjson.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
