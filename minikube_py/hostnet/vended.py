"""The asking side: HostSockets over the vendor's Unix socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path

from minikube_py.hostnet.protocol import LARGEST_PACKET, Operation, Request, decode_refusal


class LeasedSocket(socket.socket):
    """A socket of the host, and with it the lease on its port: closing one gives up both."""

    def __init__(self, descriptor: int, *, lease: int | None) -> None:
        super().__init__(fileno=descriptor)
        self._lease = lease

    def close(self) -> None:
        super().close()
        lease, self._lease = self._lease, None
        if lease is not None:
            os.close(lease)


class VendedSockets:
    """HostSockets from the vendor that listens at ``path``. Reconnects when the vendor was restarted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: socket.socket | None = None
        self._turn = asyncio.Lock()

    async def listen_tcp(self, host: str, port: int) -> socket.socket:
        return await self._ask("listen_tcp", host, port)

    async def bind_udp(self, host: str, port: int) -> socket.socket:
        return await self._ask("bind_udp", host, port)

    async def connect_tcp(self, host: str, port: int) -> socket.socket:
        return await self._ask("connect_tcp", host, port)

    async def connect_udp(self, host: str, port: int) -> socket.socket:
        return await self._ask("connect_udp", host, port)

    def close(self) -> None:
        """Hang up. Sockets obtained earlier stay open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _ask(self, operation: Operation, host: str, port: int) -> socket.socket:
        request = Request(operation, host, port)
        async with self._turn:  # answers carry no number: one question at a time
            try:
                return await self._exchange(request)
            except ConnectionError:
                self.close()
                return await self._exchange(request)
            except BaseException:
                self.close()  # an answer may still be on its way and would be taken for the next one's
                raise

    async def _exchange(self, request: Request) -> socket.socket:
        connection = self._connection or self._connect()
        connection.send(request.encode())
        await _readable(connection)
        packet, descriptors, _flags, _address = socket.recv_fds(connection, LARGEST_PACKET, 2)
        if not packet:
            raise ConnectionResetError(errno.ECONNRESET, "the host socket vendor hung up")
        if descriptors:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)  # recv_fds ignores MSG_CMSG_CLOEXEC before Python 3.12
            made = LeasedSocket(descriptors[0], lease=descriptors[1] if len(descriptors) > 1 else None)
            made.setblocking(False)
            return made
        raise decode_refusal(packet) or OSError(errno.EPROTO, "the host socket vendor granted nothing")

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.setblocking(False)
            connection.connect(str(self._path))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())
