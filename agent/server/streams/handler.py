"""``/exec``, ``/attach``, ``/portForward``: the carrier the client offers, joined to what it asks for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from agent.runtime.protocol import Runtime, RuntimeFault, Streams
from agent.server.pods import PodDirectory, pod_of, running_container
from agent.server.spdy.carriers import WebSocketCarrier
from agent.server.streams.channels import Channels, ClientGone
from agent.server.streams.command import CommandOptions, CommandSession, command_options
from agent.server.streams.portchannels import SUBPROTOCOLS as PORT_SUBPROTOCOLS
from agent.server.streams.portchannels import ChannelForward
from agent.server.streams.relay import Connection, Dial
from agent.server.streams.spdycommand import PROTOCOLS as SPDY_PROTOCOLS
from agent.server.streams.spdycommand import SpdyChannels, accept_spdy, is_spdy
from agent.server.streams.spdyforward import PROTOCOLS as SPDY_PORT_PROTOCOLS
from agent.server.streams.spdyforward import TUNNEL_SUBPROTOCOL, SpdyForward
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
        if not is_websocket(request) and not is_spdy(request):
            raise _no_upgrade()
        try:
            streams = await begin(options)
        except (RuntimeFault, OSError) as fault:
            raise web.HTTPInternalServerError(text=f"error executing command in container: {fault}") from fault
        try:
            channels, response = await _channels(request, options)
        except BaseException:
            await streams.close()
            raise
        if channels is None:
            await streams.close()
        else:
            await CommandSession(streams, channels, options).run()
        return response

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        """/portForward/{namespace}/{pod}[/{uid}]"""
        pod = pod_of(self._pods, request)
        sandbox = self._pods.observed(uid_of(pod)).sandbox_id()
        if sandbox is None:
            raise web.HTTPNotFound(text="pod is not running")

        async def dial(port: int) -> Connection:
            return await self._runtime.port_forward(sandbox, port)

        if is_spdy(request):
            connection, response = await accept_spdy(request, SPDY_PORT_PROTOCOLS)
            await SpdyForward(connection, dial=dial, pod=name_of(pod)).run()
            return response
        if not is_websocket(request):
            raise _no_upgrade()
        return await _forward_in_websocket(request, dial, name_of(pod))


async def _forward_in_websocket(request: web.Request, dial: Dial, pod: str) -> web.StreamResponse:
    """SPDY inside the WebSocket where the client offers that, else plain channels."""
    if TUNNEL_SUBPROTOCOL in request.headers.get("Sec-WebSocket-Protocol", ""):
        socket = await accept(request, (TUNNEL_SUBPROTOCOL,))
        await SpdyForward(WebSocketCarrier(socket), dial=dial, pod=pod).run()
        return socket
    ports = _ports(request)
    socket = await accept(request, PORT_SUBPROTOCOLS)
    await ChannelForward(WebSocketChannels(socket), ports, dial=dial, pod=pod).run()
    return socket


async def _channels(request: web.Request, options: CommandOptions) -> tuple[Channels | None, web.StreamResponse]:
    """The client's channels; None where it left before they were all open."""
    if is_websocket(request):
        socket = await accept(request, SUBPROTOCOLS)
        return WebSocketChannels(socket), socket
    connection, response = await accept_spdy(request, SPDY_PROTOCOLS)
    channels = SpdyChannels(connection, options)
    try:
        await channels.ready()
    except (TimeoutError, ClientGone):
        await channels.close()
        return None, response
    return channels, response


def _no_upgrade() -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text="unable to upgrade: missing upgrade headers in request")


def _ports(request: web.Request) -> list[int]:
    texts = [text for value in request.query.getall("port", []) for text in value.split(",")]
    if not texts or not all(text.isdigit() and 0 < int(text) < 65536 for text in texts):
        raise web.HTTPBadRequest(text="query parameter 'port' is required and must be a port number")
    return [int(text) for text in texts]
