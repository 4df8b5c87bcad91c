"""What is asked of a node's proxy: by load balancers, is it alive (port 10256), and does a Service have endpoints right
here; by tools on the node itself, in which mode it works (port 10249).

The answers are those of kube-proxy: ``/healthz`` fails while the node is about to be deleted, ``/livez`` does not;
a Service's ``healthCheckNodePort`` answers 200 only where a ready local endpoint and a healthy proxy are.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from minikube_py.aio.clock import Clock
from minikube_py.api.meta import format_time, is_deleting
from minikube_py.api.types import Object, ObjectKey

_log = logging.getLogger(__name__)

HEALTHZ_PORT = 10_256
STATUS_PORT = 10_249
_LOOPBACKS = ("127.0.0.1", "::1")
#: A change of the table that is not in effect after this long makes the proxy unhealthy.
LATE_SECONDS = 60.0
_TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"

HealthChecks = Mapping[int, tuple[ObjectKey, int]]
_Handler = Callable[[], web.Response]


class ProxyHealth:
    """Whether the data plane keeps up with the table, and whether this node is to get new traffic at all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending_since: float | None = None
        self._updated = clock.now()
        self.node_eligible = True

    def queued(self) -> None:
        """A change is waiting to be carried out."""
        if self._pending_since is None:
            self._pending_since = self._clock.monotonic()

    def updated(self) -> None:
        """Every change is in effect."""
        self._pending_since = None
        self._updated = self._clock.now()

    def node_changed(self, node: Object | None) -> None:
        """This node's object: deletion, and the autoscaler's announcement of it, turn new traffic away."""
        taints = ((node or {}).get("spec") or {}).get("taints") or ()
        doomed = node is None or is_deleting(node) or any(each.get("key") == _TO_BE_DELETED_TAINT for each in taints)
        self.node_eligible = not doomed

    @property
    def healthy(self) -> bool:
        """Whether no change has waited for too long."""
        since = self._pending_since
        return since is None or self._clock.monotonic() - since < LATE_SECONDS

    def healthz(self) -> web.Response:
        """The proxy is well and the node is to stay."""
        return self._answer(self.healthy and self.node_eligible, nodeEligible=self.node_eligible)

    def livez(self) -> web.Response:
        """The proxy is well."""
        return self._answer(self.healthy)

    def _answer(self, good: bool, **more: bool) -> web.Response:
        now = self._clock.now()
        times = {"lastUpdated": format_time(now if good else self._updated), "currentTime": format_time(now)}
        return _json(times | more, 200 if good else 503)

    def service(self, key: ObjectKey, local_endpoints: int) -> web.Response:
        """The answer of one Service's health check node port."""
        body = {
            "service": {"namespace": key.namespace, "name": key.name},
            "localEndpoints": local_endpoints,
            "serviceProxyHealthy": self.healthy,
        }
        return _json(body, 200 if local_endpoints and self.healthy else 503)


def _plain(text: str) -> web.Response:
    return web.Response(text=text, headers={"X-Content-Type-Options": "nosniff"})


def _json(body: object, status: int) -> web.Response:
    headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=json.dumps(body), status=status, headers=headers)


class HealthServers:
    """The HTTP listeners of a node: two for the proxy itself and one per health check node port.

    ``mode`` tells the data plane in force. The status port is the loopback's alone.
    """

    def __init__(
        self,
        health: ProxyHealth,
        *,
        addresses: tuple[str, ...],
        mode: Callable[[], str],
        healthz_port: int = HEALTHZ_PORT,
        status_port: int = STATUS_PORT,
    ) -> None:
        self._health = health
        self._addresses = addresses
        self._loopback = tuple(ip for ip in addresses if ip in _LOOPBACKS)
        self._own: Mapping[int, Mapping[str, _Handler]] = {
            healthz_port: {"/healthz": health.healthz, "/livez": health.livez},
            status_port: {"/proxyMode": lambda: _plain(mode()), "/healthz": lambda: _plain("ok")},
        }
        self._status_port = status_port
        self._servers: dict[int, web.AppRunner] = {}
        self._checks: HealthChecks = {}
        self.problems: dict[int, str] = {}

    async def start(self) -> None:
        """Opens the proxy's own ports. A port that is taken is reported, not raised; ``sync`` tries it again."""
        for port in self._own.keys() - self._servers.keys():
            await self._open(port, self._own[port])

    async def sync(self, checks: HealthChecks) -> None:
        """Opens and closes ports until they are those of ``checks``, and answers from ``checks``."""
        self._checks = checks
        for port in self._servers.keys() - checks.keys() - self._own.keys():
            await self._close(port)
        for port in self.problems.keys() - checks.keys() - self._own.keys():
            del self.problems[port]
        await self.start()
        for port in checks.keys() - self._servers.keys():
            await self._open(port, {"/{any:.*}": self._service_handler(port)})

    async def stop(self) -> None:
        """Closes every port."""
        for port in list(self._servers):
            await self._close(port)

    def _service_handler(self, port: int) -> _Handler:
        def answer() -> web.Response:
            return self._health.service(*self._checks[port]) if port in self._checks else web.Response(status=404)

        return answer

    async def _open(self, port: int, handlers: Mapping[str, _Handler]) -> None:
        app = web.Application()
        for path, handler in handlers.items():
            app.router.add_get(path, _asynchronous(handler))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            for address in self._loopback if port == self._status_port else self._addresses:
                await web.TCPSite(runner, address, port).start()
        except OSError as error:
            await runner.cleanup()
            if port not in self.problems:
                _log.warning("cannot serve health checks on port %d: %s", port, error)
            self.problems[port] = str(error)
            return
        self.problems.pop(port, None)
        self._servers[port] = runner

    async def _close(self, port: int) -> None:
        await self._servers.pop(port).cleanup()


def _asynchronous(handler: _Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_request: web.Request) -> web.StreamResponse:
        return handler()

    return serve
