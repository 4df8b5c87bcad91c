"""UDP flows over real sockets on the loopback."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from minikube_py.dataplane.model import Frontend
from minikube_py.dataplane.userspace import udp
from minikube_py.dataplane.userspace.plane import UserspacePlane
from tests.support.planes import node_frontend, route_to, running_plane


@contextmanager
def bound(ip: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ip, 0))
        sock.setblocking(False)
        yield sock


async def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int]]:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(sock, 1 << 16), 60)


def publish(plane: UserspacePlane, *servers: socket.socket, affinity: int = 0) -> Frontend:
    with bound("127.10.0.1") as probe:
        frontend = node_frontend("127.10.0.1", probe.getsockname()[1], "UDP")
    plane.apply({frontend: route_to(frontend, *(each.getsockname() for each in servers), affinity=affinity)})
    return frontend


async def test_a_client_keeps_its_endpoint_and_is_answered_from_the_service_address() -> None:
    async with running_plane() as plane:
        with bound("127.20.0.1") as one, bound("127.20.0.2") as two, bound("127.0.0.1") as client:
            frontend = publish(plane, one, two)
            answered = set()
            for n in range(3):
                client.sendto(b"ping %d" % n, frontend[1:3])
                server = one if n == 0 and await _readable(one) else (two if n == 0 else answered.pop())
                data, peer = await receive(server)
                server.sendto(b"pong " + data, peer)
                assert await receive(client) == (b"pong ping %d" % n, (frontend.ip, frontend.port))
                answered.add(server)
            assert plane.load() == {frontend: 1}


async def _readable(sock: socket.socket) -> bool:
    await asyncio.sleep(0.02)
    try:
        return bool(sock.recvfrom(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


async def test_clients_are_spread() -> None:
    async with running_plane() as plane:
        with bound("127.20.0.1") as one, bound("127.20.0.2") as two:
            frontend = publish(plane, one, two)
            for n in range(10):
                with bound("127.0.0.1") as client:
                    client.sendto(b"%d" % n, frontend[1:3])
            seen = [len([await receive(server) for _ in range(5)]) for server in (one, two)]
            assert seen == [5, 5]


async def test_flows_of_a_removed_endpoint_move_at_once() -> None:
    async with running_plane() as plane:
        with bound("127.20.0.1") as one, bound("127.20.0.2") as two, bound("127.0.0.1") as client:
            frontend = publish(plane, one)
            client.sendto(b"a", frontend[1:3])
            await receive(one)
            plane.apply({frontend: route_to(frontend, two.getsockname())})
            client.sendto(b"b", frontend[1:3])
            assert (await receive(two))[0] == b"b"


async def test_a_refused_datagram_moves_the_client_to_another_endpoint() -> None:
    async with running_plane() as plane:
        with bound("127.20.0.1") as alive, bound("127.0.0.1") as client:
            with bound("127.20.0.9") as dead:
                frontend = publish(plane, dead, alive)
            for _ in range(4):
                client.sendto(b"x", frontend[1:3])
                await asyncio.sleep(0.01)
            assert (await receive(alive))[0] == b"x"


async def test_without_endpoints_the_client_is_told() -> None:
    async with running_plane() as plane:
        frontend = publish(plane)
        with bound("127.0.0.1") as client:
            client.connect(frontend[1:3])
            client.send(b"x")
            with pytest.raises(ConnectionRefusedError):
                await receive(client)


async def test_silent_flows_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(udp, "UNREPLIED_SECONDS", 0.02)
    async with running_plane() as plane:
        with bound("127.20.0.1") as server, bound("127.0.0.1") as client:
            frontend = publish(plane, server)
            client.sendto(b"a", frontend[1:3])
            await receive(server)
            async with asyncio.timeout(60):
                while plane.load()[frontend]:  # noqa: ASYNC110 - the data plane's engine has no events for tests
                    await asyncio.sleep(0.005)


async def test_client_ip_affinity_holds_over_ports() -> None:
    async with running_plane() as plane:
        with bound("127.20.0.1") as one, bound("127.20.0.2") as two:
            frontend = publish(plane, one, two, affinity=60)
            for _ in range(6):
                with bound("127.0.0.1") as client:
                    client.sendto(b"x", frontend[1:3])
            server = one if await _readable(one) else two
            assert [(await receive(server))[0] for _ in range(6)] == [b"x"] * 6


async def test_a_flood_takes_the_place_of_clients_that_were_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "most_flows", lambda: 8)
    async with running_plane() as plane:
        with bound("127.20.0.1") as server, bound("127.0.0.1") as talker, ExitStack() as stack:
            frontend = publish(plane, server)
            talker.sendto(b"talk", frontend[1:3])
            _, flow = await receive(server)
            server.sendto(b"answer", flow)
            await receive(talker)
            for _ in range(40):
                stack.enter_context(bound("127.0.0.1")).sendto(b"flood", frontend[1:3])
            flooders = {(await receive(server))[1] for _ in range(40)}
            assert plane.load() == {frontend: 8}
            assert len(flooders) > 8
            talker.sendto(b"talk again", frontend[1:3])
            assert await receive(server) == (b"talk again", flow)


async def test_where_every_client_was_answered_one_of_them_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "most_flows", lambda: 4)
    async with running_plane() as plane:
        with bound("127.20.0.1") as server:
            frontend = publish(plane, server)
            for number in range(12):
                with bound("127.0.0.1") as client:
                    client.sendto(b"%d" % number, frontend[1:3])
                    data, flow = await receive(server)
                    server.sendto(data, flow)
                    assert (await receive(client))[0] == b"%d" % number
            assert plane.load() == {frontend: 4}


def test_one_front_end_cannot_have_every_descriptor() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == resource.RLIM_INFINITY or udp.most_flows() <= soft / 2
