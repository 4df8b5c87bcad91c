"""The HTTP shells of streaming subresources."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from random import choice
from urllib.parse import urlencode

from aiohttp import web

from apiserver.auth.identity import Identity
from apiserver.refusals import not_found
from apiserver.registry.context import Reader
from apiserver.routes.dispatch import SubresourceRoute
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer, send
from apiserver.routes.served import Served
from apiserver.routes.streaming.locations import (
    Endpoint,
    agent_endpoint,
    command_path,
    log_path,
    no_endpoints,
    node_of,
    not_upgraded,
    pod_endpoint,
    port_forward_path,
    proxied_path,
    proxy_prefix,
    service_endpoints,
    service_port_name,
    split_proxy_name,
)
from apiserver.routes.streaming.relay import Relay
from apiserver.routes.streaming.tunnel import tunnel, wants_upgrade
from minikube_py.api.meta import labels_of
from minikube_py.api.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from minikube_py.api.types import Object

_SERVICE_LABEL = "kubernetes.io/service-name"


class Streaming:
    """Routes that end at an agent, a pod or a Service. ``agents`` is our TLS side towards agents."""

    def __init__(self, *, reader: Reader, agents: ssl.SSLContext | None) -> None:
        self._reader = reader
        self._agents = agents
        self._relay = Relay()
        self._open: set[asyncio.Transport] = set()

    async def close(self) -> None:
        """Cut every stream and close what is kept open: an exec may last for ever, a server that stops does not."""
        for transport in list(self._open):
            transport.abort()
        await self._relay.close()

    @contextmanager
    def _noted(self, request: web.BaseRequest) -> Iterator[None]:
        """Remember the client's connection while a stream is carried over it."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client went away")
        self._open.add(transport)
        try:
            yield
        finally:
            self._open.discard(transport)

    def table(self) -> Mapping[tuple[str, str], SubresourceRoute]:
        """The routes by (plural, subresource)."""
        return {
            ("pods", "log"): self.log,
            ("pods", "exec"): self.command,
            ("pods", "attach"): self.command,
            ("pods", "portforward"): self.port_forward,
            ("pods", "proxy"): self.proxy,
            ("services", "proxy"): self.proxy,
            ("nodes", "proxy"): self.proxy,
        }

    async def ask_agent(self, node_name: str, path: str) -> bytes:
        """GET a document of a node's agent. Raises StatusError."""
        return await self._relay.fetch(self._agent(node_name), path, self._agents)

    def _pod(self, info: RequestInfo) -> Object:
        pod = self._reader.get(PODS, info.namespace, info.name)
        if pod is None:
            raise not_found(PODS, info.name)
        return pod

    def _agent(self, node_name: str) -> Endpoint:
        node = self._reader.get(NODES, "", node_name)
        if node is None:
            raise not_found(NODES, node_name)
        return agent_endpoint(node)

    async def log(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """GET pods/NAME/log."""
        del served, user
        pod = self._pod(info)
        path = log_path(pod, info.query)
        if not pod["spec"].get("nodeName"):
            return await send(request, Answer(200, b"", b"text/plain"))
        with self._noted(request):
            return await self._relay.log(request, self._agent(node_of(pod)), path, self._agents)

    async def command(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """GET (WebSocket) or POST (SPDY) pods/NAME/exec and attach."""
        del served, user
        pod = self._pod(info)
        path, agent = command_path(info.subresource, pod, info.query), self._agent(node_of(pod))
        if not wants_upgrade(request):
            raise not_upgraded()
        with self._noted(request):
            return await tunnel(request, agent, path, self._agents)

    async def port_forward(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """GET (WebSocket) or POST (SPDY) pods/NAME/portforward."""
        del served, user
        pod = self._pod(info)
        agent = self._agent(node_of(pod))
        if not wants_upgrade(request):
            raise not_upgraded()
        with self._noted(request):
            return await tunnel(request, agent, port_forward_path(pod, info.query), self._agents)

    async def proxy(
        self, request: web.BaseRequest, info: RequestInfo, served: Served, user: Identity
    ) -> web.StreamResponse:
        """Any method on nodes, pods or services/NAME/proxy/PATH."""
        del served, user
        endpoint = self._proxy_endpoint(info)
        context = (self._agents if endpoint.agent else _trusting()) if endpoint.tls else None
        query = urlencode([(name, value) for name, values in info.query.items() for value in values])
        asked = f"?{query}" if query else ""
        path = proxied_path(info) + asked
        with self._noted(request):
            if wants_upgrade(request):
                return await tunnel(request, endpoint, path, context)
            if not info.rest and not info.path.endswith("/") and request.method in ("GET", "HEAD"):
                return await send(request, Answer(301, b"", b"text/plain", (("Location", f"{info.path}/{asked}"),)))
            return await self._relay.forward(request, endpoint, path, context, proxy_prefix(info))

    def _proxy_endpoint(self, info: RequestInfo) -> Endpoint:
        scheme, name, port = split_proxy_name(info.name)
        if info.plural == "nodes":
            return self._agent(name)
        if info.plural == "pods":
            pod = self._reader.get(PODS, info.namespace, name)
            if pod is None:
                raise not_found(PODS, name)
            return pod_endpoint(pod, scheme, port)
        return self._service_endpoint(info.namespace, name, scheme, port)

    def _service_endpoint(self, namespace: str, name: str, scheme: str, port: str) -> Endpoint:
        service = self._reader.get(SERVICES, namespace, name)
        if service is None:
            raise not_found(SERVICES, name)
        found = service_endpoints(self._slices(namespace, name), scheme, service_port_name(service, port))
        if not found:
            raise no_endpoints(name)
        return choice(found)

    def _slices(self, namespace: str, name: str) -> Iterable[Object]:
        slices = self._reader.list(ENDPOINTSLICES, namespace)
        return [entry for entry in slices if labels_of(entry).get(_SERVICE_LABEL) == name]


def _trusting() -> ssl.SSLContext:
    """TLS to a pod or Service of the user's own: its certificate is nobody's to check, as upstream has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not the default one, which reads the machine's authorities
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
