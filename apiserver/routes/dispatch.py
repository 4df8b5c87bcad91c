"""From a resource request to the route that serves it: a stored resource, one of its subresources, or a review."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.computed.routes import ComputedResources
from apiserver.refusals import unknown_resource
from apiserver.routes.catalog import Catalog
from apiserver.routes.request import RequestInfo
from apiserver.routes.resources import ResourceRoutes
from apiserver.routes.served import Served
from apiserver.routes.warningheaders import deprecations, warned
from minikube_py.api.errors import MethodNotAllowed, NotImplementedByServer
from minikube_py.api.resources import Resource, Subresource

#: Serves one subresource.
SubresourceRoute = Callable[[web.BaseRequest, RequestInfo, Served, Identity], Awaitable[web.StreamResponse]]
#: Serves one resource that is not stored.
ReviewRoute = Callable[[web.BaseRequest, RequestInfo, Identity], Awaitable[web.StreamResponse]]


class Dispatcher:
    """Finds the route. ``subresources`` are keyed by (plural, subresource), "*" for any resource; reviews by plural."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        routes: ResourceRoutes,
        subresources: Mapping[tuple[str, str], SubresourceRoute],
        reviews: Mapping[str, ReviewRoute],
        computed: ComputedResources,
    ) -> None:
        self._computed = computed
        self._catalog = catalog
        self._routes = routes
        self._subresources = subresources
        self._reviews = reviews

    async def serve(self, request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
        """Answer a resource request. Raises NotFound for an unknown resource, MethodNotAllowed for a verb it lacks."""
        computed = self._computed.find(info.group, info.version, info.plural)
        if computed is not None:
            _check_scope(computed.served.resource, info)
            return await computed.serve(request, info, user)
        served = self._catalog.find(info.group, info.version, info.plural)
        if served is None:
            return await self._review(request, info, user)
        _check_scope(served.resource, info)
        if info.subresource and served.resource.subresource(info.subresource) is None:
            raise unknown_resource()
        with warned(deprecations(served.resource)):
            return await self._serve(request, info, served, user)

    async def _serve(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        if not served.resource.namespaced and info.namespace:
            info = replace(info, namespace="")  # a namespace is addressed as if it were in itself
        if not info.subresource:
            if info.verb not in served.resource.verbs:
                raise MethodNotAllowed()
            return await self._routes.serve(request, info, served, user)
        return await self._subresource(request, info, served, user)

    async def _subresource(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        subresource = served.resource.subresource(info.subresource)
        assert subresource is not None  # or nobody would have come here
        if not _allows(subresource, info):
            raise MethodNotAllowed()
        plural, name = info.plural, info.subresource
        route = self._subresources.get((plural, name)) or self._subresources.get(("*", name))
        if route is not None:
            return await route(request, info, served, user)
        if _shares_kind(subresource):
            return await self._routes.serve(request, info, served, user)
        raise NotImplementedByServer(f"{plural}/{name} is not implemented by this server")

    async def _review(self, request: web.BaseRequest, info: RequestInfo, user: Identity) -> web.StreamResponse:
        resource = self._catalog.table.find(info.group, info.version, info.plural)
        if resource is None:
            raise unknown_resource()
        _check_scope(resource, info)
        if info.verb not in resource.verbs or info.subresource:
            raise MethodNotAllowed()
        route = self._reviews.get(info.plural)
        if route is None:
            raise NotImplementedByServer(f"{info.plural} are not implemented by this server")
        return await route(request, info, user)


def _allows(subresource: Subresource, info: RequestInfo) -> bool:
    """Discovery names the verbs; a proxy passes OPTIONS on too, which is none."""
    return info.verb in subresource.verbs or (subresource.name == "proxy" and info.method == "OPTIONS")


def _shares_kind(subresource: Subresource) -> bool:
    return subresource.kind is None


def _check_scope(resource: Resource, info: RequestInfo) -> None:
    """A namespaced object has its namespace in the URL, a cluster-scoped one has none; only objects are changed."""
    if info.verb in ("update", "patch") and not info.name:
        raise MethodNotAllowed()
    if info.verb == "create" and info.name and not info.subresource:
        raise MethodNotAllowed()
    if not resource.namespaced:
        if info.namespace and info.plural != "namespaces":
            raise unknown_resource()
    elif not info.namespace and (info.name_in_path or info.verb == "create"):
        raise MethodNotAllowed() if info.verb == "create" else unknown_resource()
