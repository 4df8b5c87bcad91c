"""Port-forward over SPDY: for each connection a pair of streams, ``data`` and ``error``, joined by a request id."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agent.server.spdy.session import Carrier, SpdySession, SpdyStream
from agent.server.streams.channels import ClientGone
from agent.server.streams.relay import Dial, copy_out, dial_error, half_close, write_in
from minikube_py.aio.tasks import TaskSet

#: The protocol's name in ``X-Stream-Protocol-Version``, and as a WebSocket subprotocol with SPDY inside.
PROTOCOLS = ("portforward.k8s.io",)
TUNNEL_SUBPROTOCOL = "SPDY/3.1+portforward.k8s.io"


@dataclass(slots=True)
class _Pair:
    data: SpdyStream | None = None
    error: SpdyStream | None = None


class SpdyForward:
    """Serves one client until it goes away."""

    def __init__(self, carrier: Carrier, *, dial: Dial, pod: str) -> None:
        self._dial = dial
        self._pod = pod
        self._tasks = TaskSet("port-forward")
        self._pairs: dict[str, _Pair] = {}
        self._session = SpdySession(carrier, self._opened)

    async def run(self) -> None:
        """Every connection into the pod is closed when this returns."""
        try:
            await self._session.run()
        finally:
            await self._tasks.close()
            await self._session.close()

    def _opened(self, stream: SpdyStream) -> None:
        kind, request = stream.headers.get("streamtype"), stream.headers.get("requestid", "")
        pair = self._pairs.setdefault(request, _Pair())
        if kind == "data":
            pair.data = stream
        elif kind == "error":
            pair.error = stream
        if pair.data is not None and pair.error is not None:
            del self._pairs[request]
            self._tasks.spawn(self._serve(pair.data, pair.error), name=f"connection {request}")

    async def _serve(self, data: SpdyStream, error: SpdyStream) -> None:
        port = int(data.headers.get("port", "0") or "0")
        try:
            try:
                reader, writer = await self._dial(port)
            except OSError as fault:
                await error.write(dial_error(self._pod, port, fault).encode())
            else:
                await self._relay(data, reader, writer)
            await data.finish()
            await error.finish()
        except ClientGone:
            pass
        finally:
            self._session.forget(data)
            self._session.forget(error)

    async def _relay(self, data: SpdyStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both directions to their ends; the pod's end decides, for a client may well close its half first."""
        inward = TaskSet("port-forward-in")
        try:
            inward.spawn(_copy_in(data, writer), name="copy")
            await copy_out(reader, data.write)
        finally:
            await inward.close()
            writer.transport.abort()


async def _copy_in(data: SpdyStream, writer: asyncio.StreamWriter) -> None:
    while piece := await data.read():
        if not await write_in(writer, piece):
            return
    half_close(writer)
