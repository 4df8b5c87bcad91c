"""hostPort: a port of the node that leads to a container, as the CNI portmap plugin gives it.

Each port is a listener in the node's own network namespace whose connections (TCP) or datagrams (UDP) are carried to
the pod. The pod sees the node's address as the client's.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, cast

from agent.pods.model import app_containers, init_containers
from minikube_py.aio.clock import Clock, Timer
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.meta import uid_of
from minikube_py.api.types import Object

_log = logging.getLogger(__name__)
_CHUNK = 64 * 1024
_UDP_IDLE_SECONDS = 60.0
_MOST_UDP_CLIENTS = 1000


@dataclass(frozen=True, slots=True)
class HostPort:
    """One port of the spec."""

    protocol: str
    address: str
    number: int
    target: int


def host_ports_of(pod: Object, node_ips: tuple[str, ...]) -> list[HostPort]:
    """Every hostPort of the pod, on each address of the node unless it names one. Pure."""
    return [
        HostPort(str(port.get("protocol") or "TCP"), address, int(port["hostPort"]), int(port["containerPort"]))
        for container in (*init_containers(pod), *app_containers(pod))
        for port in container.spec.get("ports") or ()
        if port.get("hostPort")
        for address in ([port["hostIP"]] if port.get("hostIP") not in (None, "", "0.0.0.0", "::") else node_ips)
    ]


@dataclass(slots=True)
class _Opened:
    servers: list[asyncio.Server] = field(default_factory=list)
    datagrams: list[asyncio.DatagramTransport] = field(default_factory=list)
    tasks: TaskSet = field(default_factory=lambda: TaskSet("host-ports"))


class HostPorts:
    """The host ports of this node's pods, by pod uid."""

    def __init__(self, *, node_ips: tuple[str, ...], clock: Clock) -> None:
        self._node_ips = node_ips
        self._clock = clock
        self._opened: dict[str, _Opened] = {}

    async def open(self, pod: Object, pod_ip: str) -> None:
        """Open the pod's ports; nothing happens where they are open. Raises OSError where one is taken."""
        ports = host_ports_of(pod, self._node_ips)
        if not ports or uid_of(pod) in self._opened:
            return
        opened = self._opened[uid_of(pod)] = _Opened()
        try:
            for port in ports:
                await self._open(port, pod_ip, opened)
        except OSError:
            await self.close(uid_of(pod))
            raise

    async def close(self, uid: str) -> None:
        """Give the pod's ports back and end their connections."""
        opened = self._opened.pop(uid, None)
        if opened is None:
            return
        for server in opened.servers:
            server.close()
        for transport in opened.datagrams:
            transport.close()
        await opened.tasks.close()

    async def stop(self) -> None:
        """Close everything: the next agent opens it again."""
        for uid in list(self._opened):
            await self.close(uid)

    async def _open(self, port: HostPort, pod_ip: str, opened: _Opened) -> None:
        loop = asyncio.get_running_loop()
        if port.protocol == "TCP":

            def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                opened.tasks.spawn(_relay(reader, writer, pod_ip, port.target), name=f"{port.number}")

            opened.servers.append(await asyncio.start_server(serve, port.address, port.number))
        elif port.protocol == "UDP":
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _UdpPort(pod_ip, port.target, clock=self._clock, tasks=opened.tasks),
                local_addr=(port.address, port.number),
            )
            opened.datagrams.append(transport)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    try:
        pod_reader, pod_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_copy(reader, pod_writer), _copy(pod_reader, writer))
    finally:
        pod_writer.transport.abort()
        writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, at the slower one's pace; its end is passed on, the other direction goes on."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


class _UdpPort(asyncio.DatagramProtocol):
    """A socket of its own towards the pod for each client, so that answers find their way back."""

    def __init__(self, host: str, port: int, *, clock: Clock, tasks: TaskSet) -> None:
        self._target = (host, port)
        self._clock = clock
        self._tasks = tasks
        self._clients: dict[Any, _UdpClient] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        for client in list(self._clients.values()):
            client.close()

    def datagram_received(self, data: bytes, address: Any) -> None:
        client = self._clients.get(address)
        if client is None:
            if len(self._clients) >= _MOST_UDP_CLIENTS or self._transport is None:
                return
            client = self._clients[address] = _UdpClient(self._transport, address, self._clock, self._clients)
            self._tasks.spawn(client.connect(self._target), name="udp")
        client.send(data)


class _UdpClient(asyncio.DatagramProtocol):
    """One client's way to the pod; forgotten when it has been silent for a minute."""

    def __init__(
        self, back: asyncio.DatagramTransport, address: Any, clock: Clock, clients: dict[Any, _UdpClient]
    ) -> None:
        self._back = back
        self._address = address
        self._clock = clock
        self._clients = clients
        self._waiting: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: Timer = clock.call_later(_UDP_IDLE_SECONDS, self.close)

    async def connect(self, target: tuple[str, int]) -> None:
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=target)
        except OSError as error:
            _log.debug("no way to %s: %s", target, error)
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def datagram_received(self, data: bytes, _: Any) -> None:
        self._touch()
        self._back.sendto(data, self._address)

    def error_received(self, _: Exception) -> None:
        """The pod's port is closed: a client of UDP hears nothing, as from any closed port behind a router."""

    def send(self, data: bytes) -> None:
        self._touch()
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < 100:
            self._waiting.append(data)

    def close(self) -> None:
        self._timer.cancel()
        self._clients.pop(self._address, None)
        if self._transport is not None:
            self._transport.close()

    def _touch(self) -> None:
        self._timer.cancel()
        self._timer = self._clock.call_later(_UDP_IDLE_SECONDS, self.close)
