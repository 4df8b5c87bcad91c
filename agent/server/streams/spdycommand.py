"""exec and attach over SPDY: one stream per channel, told apart by their ``streamtype`` header."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from agent.server.spdy.carriers import HijackedConnection
from agent.server.spdy.session import Carrier, SpdySession, SpdyStream
from agent.server.streams.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, ClientGone, Input
from agent.server.streams.command import CommandOptions
from minikube_py.aio.tasks import TaskSet

_TYPES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
PROTOCOLS = ("v4.channel.k8s.io",)
_OPENING_SECONDS = 30.0


class SpdyChannels:
    """The channels of one command; ``ready`` returns when the client has opened all of them."""

    def __init__(self, carrier: Carrier, options: CommandOptions) -> None:
        wanted = {ERROR: True, STDIN: options.stdin, STDOUT: options.stdout, STDERR: options.stderr and not options.tty}
        self._missing = {channel for channel, asked in wanted.items() if asked}
        if options.tty:
            self._missing.add(RESIZE)
        self._streams: dict[int, SpdyStream] = {}
        self._inputs: asyncio.Queue[Input | None] = asyncio.Queue(maxsize=16)
        self._complete = asyncio.Event()
        self._tasks = TaskSet("spdy-command")
        self._session = SpdySession(carrier, self._opened)

    async def ready(self) -> None:
        """Raises TimeoutError and ClientGone."""
        self._tasks.spawn(self._run(), name="session")
        async with asyncio.timeout(_OPENING_SECONDS):
            await self._complete.wait()
        if self._missing:
            raise ClientGone("the client left before its streams were open")

    async def inputs(self) -> AsyncIterator[Input]:
        while (item := await self._inputs.get()) is not None:
            yield item

    async def send(self, channel: int, data: bytes) -> None:
        stream = self._streams.get(channel)
        if stream is not None and data:
            await stream.write(data)

    async def close(self) -> None:
        try:
            for channel in (STDOUT, STDERR, ERROR):
                if channel in self._streams:
                    await self._streams[channel].finish()
        except ClientGone:
            pass
        await self._session.close()
        await self._tasks.close()

    async def _run(self) -> None:
        await self._session.run()
        self._complete.set()
        await self._inputs.put(None)

    def _opened(self, stream: SpdyStream) -> None:
        channel = _TYPES.get(stream.headers.get("streamtype", ""))
        if channel is None:
            return
        self._streams[channel] = stream
        self._missing.discard(channel)
        if channel in (STDIN, RESIZE):
            self._tasks.spawn(self._pump(channel, stream), name=f"channel {channel}")
        if not self._missing:
            self._complete.set()

    async def _pump(self, channel: int, stream: SpdyStream) -> None:
        while data := await stream.read():
            await self._inputs.put(Input(channel, data))
        await self._inputs.put(Input(channel, None))


def is_spdy(request: web.Request) -> bool:
    """Whether the client asks for SPDY/3.1."""
    return request.headers.get("Upgrade", "").lower() == "spdy/3.1"


async def accept_spdy(
    request: web.Request, protocols: tuple[str, ...]
) -> tuple[HijackedConnection, web.StreamResponse]:
    """Answer the upgrade. Raises HTTPForbidden where the client speaks none of ``protocols``."""
    offered = [
        name.strip() for value in request.headers.getall("X-Stream-Protocol-Version", []) for name in value.split(",")
    ]
    chosen = next((name for name in protocols if name in offered), None)
    if chosen is None:
        spoken = ", ".join(protocols)
        raise web.HTTPForbidden(text=f"unable to upgrade: unable to negotiate protocol: server supports {spoken}")
    connection = HijackedConnection(request)
    response = await connection.upgrade({"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": chosen})
    return connection, response
