"""The agent's HTTPS endpoint: what the API server asks a kubelet for, and this agent's own tables.

``kubectl logs``, ``exec``, ``attach``, ``port-forward``, ``top`` and ``get --raw /api/v1/nodes/N/proxy/…`` end here.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from agent.filewatch import DirectoryWatcher
from agent.runtime.protocol import Runtime, RuntimeFault
from agent.server.auth import require_administrator, server_context
from agent.server.faults import FaultHandlers, Faults
from agent.server.images import ImageHandlers
from agent.server.logs.directory import add_log_directory
from agent.server.logs.handler import LogHandler
from agent.server.pods import PodDirectory
from agent.server.stats import UsageRates, metrics, summary
from agent.server.streams.handler import StreamHandlers
from minikube_py.aio.clock import Clock
from minikube_py.config.parts import AgentConfig


@dataclass(frozen=True, slots=True)
class ServerDeps:
    """What the endpoint shows. ``debug`` are tables by name, read when asked for with the query as arguments."""

    config: AgentConfig
    clock: Clock
    runtime: Runtime
    pods: PodDirectory
    debug: Mapping[str, Callable[..., Any]]
    on_images: Callable[[], None] = lambda: None
    faults: Faults | None = None


#: As Go's servers limit a request's line: a command to run in a container is part of it.
_LARGEST_HEAD = 1 << 20


class AgentServer:
    """Listens on every address of the node."""

    def __init__(self, deps: ServerDeps) -> None:
        self._deps = deps
        self._watcher = DirectoryWatcher(clock=deps.clock)
        self._rates = UsageRates()
        self._runner: web.AppRunner | None = None
        self.addresses: list[tuple[str, int]] = []

    async def start(self) -> None:
        """Raises OSError where the port is taken."""
        self._watcher.start()
        # Without handler_cancellation a client that leaves would leave its exec and its followed log running.
        self._runner = web.AppRunner(
            self._application(),
            handler_cancellation=True,
            shutdown_timeout=1.0,
            access_log=None,
            max_line_size=_LARGEST_HEAD,
            max_field_size=_LARGEST_HEAD,
        )
        await self._runner.setup()
        tls = await asyncio.to_thread(server_context, self._deps.config)
        for address in self._deps.config.node_ips:
            site = web.TCPSite(self._runner, address, self._deps.config.kubelet_port, ssl_context=tls)
            await site.start()
        self.addresses = [address[:2] for address in self._runner.addresses]

    async def stop(self) -> None:
        """End every stream and close."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._watcher.stop()

    def _application(self) -> web.Application:
        deps = self._deps
        app = web.Application(middlewares=[require_administrator], client_max_size=0)
        logs = LogHandler(pods=deps.pods, watcher=self._watcher, clock=deps.clock)
        streams = StreamHandlers(pods=deps.pods, runtime=deps.runtime)
        container = "{namespace}/{pod}/{container}"
        app.router.add_get("/containerLogs/" + container, logs.handle)
        add_log_directory(app, deps.config.state_dir / "logs")
        for path, handler in (("/exec/", streams.exec), ("/attach/", streams.attach)):
            for place in (container, "{namespace}/{pod}/{uid}/{container}"):
                app.router.add_route("*", path + place, handler)
        for place in ("{namespace}/{pod}", "{namespace}/{pod}/{uid}"):
            app.router.add_route("*", "/portForward/" + place, streams.port_forward)
        images = ImageHandlers(images=deps.runtime.images, on_change=deps.on_images)
        app.router.add_get("/images", images.list_images)
        app.router.add_post("/images/load", images.load)
        app.router.add_routes(FaultHandlers(deps.faults).routes())
        self._add_tables(app)
        return app

    def _add_tables(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/stats/summary", self._summary)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/metrics/resource", self._metrics)
        app.router.add_get("/debug/{table}", self._debug)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _pods(self, _: web.Request) -> web.Response:
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._deps.pods.pods()})

    async def _summary(self, _: web.Request) -> web.Response:
        usage = await self._usage()
        rates = self._rates.nanocores(usage, self._deps.clock.monotonic())
        config, now = self._deps.config, self._deps.clock.now()
        return _json(summary(config.node_name, self._deps.pods, usage, rates, now))

    async def _metrics(self, _: web.Request) -> web.Response:
        usage = await self._usage()
        text = metrics(self._deps.config.node_name, self._deps.pods, usage, lambda: len(usage))
        return web.Response(text=text, content_type="text/plain")

    async def _debug(self, request: web.Request) -> web.Response:
        table = self._deps.debug.get(request.match_info["table"])
        if table is None:
            raise web.HTTPNotFound(text=f"tables: {', '.join(sorted(self._deps.debug))}")
        try:
            found = table(**request.query)
            return _json(await found if inspect.isawaitable(found) else found)
        except (TypeError, ValueError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error

    async def _usage(self) -> list[Any]:
        try:
            return list(await self._deps.runtime.usage())
        except (RuntimeFault, OSError) as fault:
            raise web.HTTPServiceUnavailable(text=str(fault)) from fault


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
