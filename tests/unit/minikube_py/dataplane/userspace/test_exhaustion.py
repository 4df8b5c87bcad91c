"""Out of descriptors: those who are connected stay, those who wait are served when there is room again."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from minikube_py.dataplane.userspace.engine import Engine
from tests.support.planes import node_frontend, route_to, running_plane

_CLIENTS = 30


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """A limit that leaves room for ``count`` more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(each) for each in os.listdir("/proc/self/fd")}
    free = (number for number in itertools.count() if number not in taken)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, count, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("room", [8, 9], ids=["none left", "one left"])
async def test_clients_wait_in_the_queue_and_are_served_when_there_is_room(room: int) -> None:
    front = node_frontend("127.10.2.1", 23_456)
    async with running_plane(most=10_000) as plane:
        with ExitStack() as stack:
            server = stack.enter_context(_listening_server())
            plane.apply({front: route_to(front, server.getsockname()[:2])})
            clients = [stack.enter_context(socket.socket()) for _ in range(_CLIENTS)]
            for client in clients:
                client.setblocking(False)
            with descriptors_left(room):
                connected = [await _connect(client, (front.ip, front.port)) for client in clients]
                while _room_for_a_pair():  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(0)
            greeting = asyncio.ensure_future(_greet_all(server))
            answers = await asyncio.gather(*map(_read, filter(None, connected)))
            greeting.cancel()
            await asyncio.wait([greeting])
        assert answers.count(b"hello") >= _CLIENTS - 4, "only those whose second descriptor was missing are reset"


async def test_services_leave_descriptors_to_the_rest_of_the_agent() -> None:
    """Clients beyond the data plane's share wait, and take the place of those who go."""
    front = node_frontend("127.10.2.2", 23_457)
    async with running_plane(most=1 + 2 * 3) as plane:
        with ExitStack() as stack:
            server = stack.enter_context(_listening_server())
            plane.apply({front: route_to(front, server.getsockname()[:2])})
            clients = [stack.enter_context(socket.socket()) for _ in range(9)]
            for client in clients:
                client.setblocking(False)
                await _connect(client, (front.ip, front.port))
            greeting = asyncio.ensure_future(_greet_all(server))
            try:
                for client in clients:
                    assert await _read(client) == b"hello"
                    assert plane.load()[front] <= 3
                    client.close()
            finally:
                greeting.cancel()
                await asyncio.wait([greeting])


def test_a_process_with_few_descriptors_keeps_half_of_them() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        engine = Engine()
        stack.callback(engine.shut_down)
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 200, limits[1]))
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        for _ in range(most):
            assert not engine.full
            engine.register(stack.enter_context(socket.socket()), lambda _: None, lambda: None)
        assert engine.full


def _listening_server() -> socket.socket:
    """A server whose kernel takes connections: it is in this process and needs no descriptor before it accepts."""
    server = socket.create_server(("127.20.0.1", 0), backlog=2 * _CLIENTS)
    server.setblocking(False)
    return server


async def _greet_all(server: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(server)
        with connection:
            await loop.sock_sendall(connection, b"hello")


def _room_for_a_pair() -> bool:
    """Whether one more client and its server could be connected."""
    with ExitStack() as stack:
        try:
            for _ in range(2):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
            return False
    return True


async def _connect(client: socket.socket, address: tuple[str, int]) -> socket.socket | None:
    """``client``, or None where the reset came before the loop had looked whether it is connected."""
    try:
        await asyncio.get_running_loop().sock_connect(client, address)
    except ConnectionResetError:
        return None
    return client


async def _read(client: socket.socket) -> bytes:
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), 60)
    except ConnectionResetError:
        return b"reset"
