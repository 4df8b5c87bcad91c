"""The HTTP shells of the subresources, and the table that names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.auth.tokens import ServiceAccountTokens
from apiserver.refusals import not_found
from apiserver.routes.bodies import read_body, read_object, validation_of
from apiserver.routes.dispatch import ReviewRoute, SubresourceRoute
from apiserver.routes.options import WriteOptions, delete_options, write_options
from apiserver.routes.patching import patch_kind
from apiserver.routes.request import RequestInfo
from apiserver.routes.resources import ResourceRoutes
from apiserver.routes.responses import Answer, send
from apiserver.routes.served import Served
from apiserver.routes.subresources.binding import CREATED, bind
from apiserver.routes.subresources.eviction import Evictor
from apiserver.routes.subresources.scale import scale_of, with_scale
from apiserver.routes.subresources.token import grant
from apiserver.routes.warningheaders import warning_headers
from apiserver.routes.writing import Writer
from apiserver.schema.patching import Patcher
from apiserver.schema.schema import Kind, Schema
from minikube_py.api.errors import BadRequest
from minikube_py.api.meta import metadata, name_of
from minikube_py.api.patch import PatchKind
from minikube_py.api.types import Object

SCALE = Kind("autoscaling", "v1", "Scale")
BINDING = Kind("", "v1", "Binding")
EVICTION = Kind("policy", "v1", "Eviction")
TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "TokenRequest")


class Subresources:
    """Routes of subresources that have a kind of their own."""

    def __init__(
        self, *, schema: Schema, writer: Writer, routes: ResourceRoutes, tokens: ServiceAccountTokens, evictor: Evictor
    ) -> None:
        self._tokens = tokens
        self._evictor = evictor
        self._schema = schema
        self._writer = writer
        self._routes = routes
        self._patches = Patcher(schema)

    def table(self) -> Mapping[tuple[str, str], SubresourceRoute]:
        """The routes by (plural, subresource)."""
        return {
            ("pods", "binding"): self.binding,
            ("*", "scale"): self.scale,
            ("serviceaccounts", "token"): self.token,
            ("pods", "eviction"): self.eviction,
        }

    async def eviction(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """POST pods/NAME/eviction."""
        options = write_options(info.query, "CreateOptions")
        eviction = (await read_object(request, self._schema, EVICTION, options)).object
        if metadata(eviction).get("name") not in (None, "", info.name):
            raise BadRequest(f"name in URL does not match name in Eviction object: {info.name}")
        deletion = delete_options({}, eviction.get("deleteOptions"))
        dry_run = options.dry_run or deletion.dry_run
        write = self._routes.write_request(request, info, served, user, replace(options, dry_run=dry_run))
        self._evictor.evict(write, deletion)
        return await send(request, Answer(201, CREATED))

    async def token(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """POST serviceaccounts/NAME/token."""
        options = write_options(info.query, "CreateOptions")
        decoded = await read_object(request, self._schema, TOKEN_REQUEST, options)
        write = self._routes.write_request(request, info, served, user, options)
        attributes = write.attributes("CREATE", self._writer.reader, obj=decoded.object)
        self._writer.admission.validate(attributes)
        granted = grant(self._tokens, self._writer.reader, info.namespace, info.name, decoded.object)
        return await send(request, Answer(201, orjson.dumps(granted)))

    async def binding(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """POST pods/NAME/binding."""
        options = write_options(info.query, "CreateOptions")
        decoded = await read_object(request, self._schema, BINDING, options)
        write = self._routes.write_request(request, info, served, user, options)
        bind(self._writer, write, decoded.object)
        return await send(request, Answer(201, CREATED))

    def bindings(self, pods: Served) -> ReviewRoute:
        """POST bindings: the same, with the pod's name in the body."""

        async def serve(request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
            options = write_options(info.query, "CreateOptions")
            binding = (await read_object(request, self._schema, BINDING, options)).object
            about = replace(info, name=name_of(binding), subresource="binding")
            bind(self._writer, self._routes.write_request(request, about, pods, user, options), binding)
            return await send(request, Answer(201, CREATED))

        return serve

    async def scale(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """GET, PUT and PATCH of …/NAME/scale."""
        if info.verb == "get":
            return await send(request, _json(scale_of(_present(served, info))))
        apply = info.verb == "patch" and patch_kind(request.headers.get("Content-Type", "")) is PatchKind.APPLY
        kind = "UpdateOptions" if info.verb == "update" else "PatchOptions"
        options = write_options(info.query, kind, apply=apply)
        body = await read_body(request) if apply else await self._scale_body(request, info, served, options)
        write = self._routes.write_request(request, info, served, user, options)
        write = replace(write, subresource="", followed_as="scale", apply=apply)
        present = served.collection.get(info.namespace, info.name)
        if present is None:
            raise not_found(served.resource, info.name)
        if isinstance(body, bytes):
            base = served.show(served.load(present))
            changed = served.store(self._writer.fields.apply_scale(base, body, write, options))
        else:
            changed = with_scale(served.load(present), body, write)
        written = self._writer.replace(write, present, changed)
        answer = _json(scale_of(served.load(written.stored)))
        answer.headers = warning_headers(write.warnings)
        return await send(request, answer)

    async def _scale_body(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, options: WriteOptions
    ) -> Object:
        """The Scale to write: the body's, or the present one patched."""
        if info.verb == "update":
            return (await read_object(request, self._schema, SCALE, options)).object
        kind, body = patch_kind(request.headers.get("Content-Type", "")), await read_body(request)
        present = scale_of(_present(served, info))
        return self._patches.apply(kind, body, present, SCALE, validation_of(options)).object


def _present(served: Served, info: RequestInfo) -> Object:
    stored = served.collection.get(info.namespace, info.name)
    if stored is None:
        raise not_found(served.resource, info.name)
    return served.load(stored)


def _json(obj: Any) -> Answer:
    return Answer(200, orjson.dumps(obj))
