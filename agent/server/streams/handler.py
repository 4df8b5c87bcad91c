"""``/exec``, ``/attach``, ``/portForward``: the carrier the client offers, joined to what it asks for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from agent.runtime.protocol import Runtime, RuntimeFault, Streams
from agent.server.pods import PodDirectory, pod_of, running_container
from agent.server.streams.command import CommandOptions, CommandSession, command_options
from agent.server.streams.portchannels import SUBPROTOCOLS as PORT_SUBPROTOCOLS
from agent.server.streams.portchannels import ChannelForward
from agent.server.streams.relay import Connection
from agent.server.streams.websocket import SUBPROTOCOLS, WebSocketChannels, accept, is_websocket
from minikube_py.api.meta import name_of, uid_of

_log = logging.getLogger(__name__)
Open = Callable[[CommandOptions], Awaitable[Streams]]


class StreamHandlers:
    """The three streaming requests."""

    def __init__(self, *, pods: PodDirectory, runtime: Runtime) -> None:
        self._pods = pods
        self._runtime = runtime

    async def exec(self, request: web.Request) -> web.StreamResponse:
        """/exec/{namespace}/{pod}[/{uid}]/{container}?command=…"""
        status = running_container(self._pods, request)
        command = request.query.getall("command", [])
        if not command:
            raise web.HTTPBadRequest(text="you must specify a command")

        async def begin(options: CommandOptions) -> Streams:
            return await self._runtime.exec(status.id, command, tty=options.tty, stdin=options.stdin)

        return await self._command(request, begin)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """/attach/{namespace}/{pod}[/{uid}]/{container}"""
        status = running_container(self._pods, request)

        async def begin(options: CommandOptions) -> Streams:
            return await self._runtime.attach(status.id, stdin=options.stdin)

        return await self._command(request, begin)

    async def _command(self, request: web.Request, begin: Open) -> web.StreamResponse:
        options = command_options(request.query)
        if not (options.stdin or options.stdout or options.stderr):
            raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr")
        if not is_websocket(request):
            raise web.HTTPBadRequest(text="unable to upgrade: missing upgrade headers in request")
        try:
            streams = await begin(options)
        except (RuntimeFault, OSError) as fault:
            raise web.HTTPInternalServerError(text=f"error executing command in container: {fault}") from fault
        try:
            socket = await accept(request, SUBPROTOCOLS)
        except BaseException:
            await streams.close()
            raise
        await CommandSession(streams, WebSocketChannels(socket), options).run()
        return socket

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        """/portForward/{namespace}/{pod}[/{uid}]"""
        pod = pod_of(self._pods, request)
        sandbox = self._pods.observed(uid_of(pod)).sandbox_id()
        if sandbox is None:
            raise web.HTTPNotFound(text="pod is not running")

        async def dial(port: int) -> Connection:
            return await self._runtime.port_forward(sandbox, port)

        if not is_websocket(request):
            raise web.HTTPBadRequest(text="unable to upgrade: missing upgrade headers in request")
        ports = _ports(request)
        socket = await accept(request, PORT_SUBPROTOCOLS)
        await ChannelForward(WebSocketChannels(socket), ports, dial=dial, pod=name_of(pod)).run()
        return socket


def _ports(request: web.Request) -> list[int]:
    texts = [text for value in request.query.getall("port", []) for text in value.split(",")]
    if not texts or not all(text.isdigit() and 0 < int(text) < 65536 for text in texts):
        raise web.HTTPBadRequest(text="query parameter 'port' is required and must be a port number")
    return [int(text) for text in texts]
