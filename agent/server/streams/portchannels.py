"""Port-forward over plain WebSocket channels: two per port, data and errors, in the order of the ``port`` parameters.

Each channel's first message is the port's number, two bytes, least significant first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.server.streams.channels import ClientGone
from agent.server.streams.relay import Dial, copy_out, dial_error, half_close, write_in
from agent.server.streams.websocket import WebSocketChannels
from minikube_py.aio.tasks import TaskSet

SUBPROTOCOLS = ("v4.channel.k8s.io", "portforward.k8s.io")


class ChannelForward:
    """One WebSocket that carries one connection to each of its ports."""

    def __init__(self, channels: WebSocketChannels, ports: Sequence[int], *, dial: Dial, pod: str) -> None:
        self._channels = channels
        self._ports = ports
        self._dial = dial
        self._pod = pod
        self._tasks = TaskSet("port-forward")
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._dialled = {2 * index: asyncio.Event() for index in range(len(ports))}

    async def run(self) -> None:
        """Return when the client has gone, or every port has ended."""
        try:
            for index, port in enumerate(self._ports):
                await self._channels.send(2 * index, port.to_bytes(2, "little"))
                await self._channels.send(2 * index + 1, port.to_bytes(2, "little"))
            copies = [
                self._tasks.spawn(self._connect(index, port), name=f"{port}") for index, port in enumerate(self._ports)
            ]
            feeding = self._tasks.spawn(self._feed(), name="input")
            ending = self._tasks.spawn(_all(copies), name="ports")
            await asyncio.wait({feeding, ending}, return_when=asyncio.FIRST_COMPLETED)
        except ClientGone:
            pass
        finally:
            await self._tasks.close()
            for writer in self._writers.values():
                writer.transport.abort()
        await self._channels.close()

    async def _connect(self, index: int, port: int) -> None:
        try:
            reader, writer = await self._dial(port)
            self._writers[2 * index] = writer
        except OSError as error:
            await self._say(2 * index + 1, dial_error(self._pod, port, error).encode())
            return
        finally:
            self._dialled[2 * index].set()
        await copy_out(reader, lambda data: self._say(2 * index, data))

    async def _feed(self) -> None:
        async for channel, data in self._channels.inputs():
            if channel in self._dialled:
                await self._dialled[channel].wait()  # what the client says first must not be lost
            writer = self._writers.get(channel)
            if writer is None:
                continue
            if data is None:
                half_close(writer)
            elif not await write_in(writer, data):
                del self._writers[channel]

    async def _say(self, channel: int, data: bytes) -> None:
        try:
            await self._channels.send(channel, data)
        except ClientGone:
            pass


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
