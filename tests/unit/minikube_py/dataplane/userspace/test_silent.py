"""Endpoints that do not answer: they are left for another where there is one, and waited for where there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from minikube_py.dataplane.userspace import relay
from tests.support.planes import node_frontend, route_to, running_plane

#: How many clients the kernel takes for a backlog of 0.
QUEUE = 1


@contextmanager
def full(ip: str = "127.20.0.3") -> Iterator[socket.socket]:
    """A listening socket whose queue is full: the kernel does not answer further clients until somebody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((ip, 0), backlog=0))
        for _ in range(QUEUE):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "CONNECT_SECONDS", 0.05)


async def test_a_silent_endpoint_is_replaced_by_another() -> None:
    async with running_plane() as plane:
        with full() as silent, socket.create_server(("127.20.0.4", 0)) as other:
            frontend = node_frontend("127.10.0.3", 8099)
            plane.apply({frontend: route_to(frontend, silent.getsockname(), other.getsockname())})
            other.setblocking(False)
            for _ in range(2):
                _, writer = await asyncio.open_connection(frontend.ip, frontend.port)
                served, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(other), 60)
                served.close()
                writer.close()


async def test_the_only_endpoint_is_waited_for() -> None:
    async with running_plane() as plane:
        with full() as silent:
            frontend = node_frontend("127.10.0.3", 8098)
            plane.apply({frontend: route_to(frontend, silent.getsockname())})
            reader, writer = await asyncio.open_connection(frontend.ip, frontend.port)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.3)  # several times its patience
            for served in await asyncio.wait_for(_accept_all(silent), 60):
                served.sendall(b"x")
                served.close()
            assert await asyncio.wait_for(reader.read(1), 60) == b"x"
            writer.close()


async def _accept_all(listener: socket.socket) -> list[socket.socket]:
    """Everybody: those that filled the queue, and last whose kernel has to try again after a second."""
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    return [(await loop.sock_accept(listener))[0] for _ in range(QUEUE + 1)]
