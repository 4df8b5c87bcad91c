"""Out of descriptors: those who are connected stay, those who wait are served when there is room again."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.planes import node_frontend, route_to, running_plane

_CLIENTS = 30


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """A limit that leaves room for ``count`` more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each) for each in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_clients_wait_in_the_queue_and_are_served_when_there_is_room() -> None:
    server = await asyncio.start_server(_greet, "127.20.0.1", 0)
    front = node_frontend("127.10.2.1", 23_456)
    async with running_plane() as plane, server:
        plane.apply({front: route_to(front, server.sockets[0].getsockname()[:2])})
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.socket()) for _ in range(_CLIENTS)]
            for client in clients:
                client.setblocking(False)
            with descriptors_left(8):
                connected = [await _connect(client, (front.ip, front.port)) for client in clients]
                await asyncio.sleep(0.2)
            answers = await asyncio.gather(*map(_read, filter(None, connected)))
        assert answers.count(b"hello") >= _CLIENTS - 8, "only those whose second descriptor was missing are reset"


async def _connect(client: socket.socket, address: tuple[str, int]) -> socket.socket | None:
    """``client``, or None where the reset came before the loop had looked whether it is connected."""
    try:
        await asyncio.get_running_loop().sock_connect(client, address)
    except ConnectionResetError:
        return None
    return client


async def _read(client: socket.socket) -> bytes:
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), 5)
    except ConnectionResetError:
        return b"reset"


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()
