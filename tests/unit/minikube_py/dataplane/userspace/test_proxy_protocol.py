"""The line that names the client, before the client's own bytes (HAProxy's PROXY protocol, version 1)."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from minikube_py.dataplane.userspace.plane import UserspacePlane
from tests.support.planes import node_frontend, route_to, running_plane


def free_port(ip: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


def publish(plane: UserspacePlane, ip: str, *endpoints: tuple[str, int], wanted: bool = True) -> tuple[str, int]:
    frontend = node_frontend(ip, free_port(ip))
    plane.apply({frontend: replace(route_to(frontend, *endpoints), proxy_protocol=wanted)})
    return ip, frontend.port


async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back all that came."""
    writer.write(await reader.read())
    writer.close()


async def ask(address: tuple[str, int], said: bytes) -> tuple[tuple[str, int], bytes]:
    reader, writer = await asyncio.open_connection(*address)
    own = writer.get_extra_info("sockname")[:2]
    writer.write(said)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return own, answer


@pytest.mark.parametrize(("ip", "family"), [("127.10.0.1", "TCP4"), ("::1", "TCP6")])
@pytest.mark.parametrize("said", [b"", b"hello", b"x" * 300_000])
async def test_the_line_comes_first_and_once(ip: str, family: str, said: bytes) -> None:
    server = await asyncio.start_server(tell, ip, 0)
    async with server, running_plane() as plane:
        address = publish(plane, ip, server.sockets[0].getsockname()[:2])
        own, answer = await ask(address, said)
    assert answer == f"PROXY {family} {own[0]} {ip} {own[1]} {address[1]}\r\n".encode() + said


async def test_an_endpoint_that_refuses_leaves_the_line_to_the_next() -> None:
    server = await asyncio.start_server(tell, "127.20.0.1", 0)
    async with server, running_plane() as plane:
        dead = ("127.20.0.2", free_port("127.20.0.2"))
        address = publish(plane, "127.10.0.1", dead, server.sockets[0].getsockname()[:2])
        for _ in range(8):
            own, answer = await ask(address, b"hello")
            assert answer.count(b"PROXY") == 1 and answer.startswith(f"PROXY TCP4 {own[0]} ".encode())


async def test_nothing_is_added_unasked() -> None:
    server = await asyncio.start_server(tell, "127.20.0.1", 0)
    async with server, running_plane() as plane:
        address = publish(plane, "127.10.0.1", server.sockets[0].getsockname()[:2], wanted=False)
        assert (await ask(address, b"hello"))[1] == b"hello"
