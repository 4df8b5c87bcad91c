"""Vendor and asking side against each other, in one namespace (crossing one is the end-to-end tests' business)."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minikube_py.hostnet.protocol import Request, decode_refusal
from minikube_py.hostnet.reservations import PortReservations
from minikube_py.hostnet.vended import VendedSockets
from minikube_py.hostnet.vendor import SocketVendor


class Running:
    """A vendor on this test's loop, as the supervisor would run it on its selector."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start()

    def start(self) -> None:
        reservations = PortReservations(self.path.parent / "ports")
        self.vendor = SocketVendor(self.path, reservations=reservations)
        asyncio.get_running_loop().add_reader(self.vendor, self.vendor.turn)

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self.vendor)
        self.vendor.close()


@pytest.fixture
async def vendor(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path / "v.sock")
    yield running
    running.stop()


@pytest.fixture
async def sockets(vendor: Running) -> AsyncIterator[VendedSockets]:
    asking = VendedSockets(vendor.path)
    yield asking
    asking.close()


async def test_a_listener_answers_connections(sockets: VendedSockets) -> None:
    loop = asyncio.get_running_loop()
    with await sockets.listen_tcp("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with await sockets.connect_tcp("127.0.0.1", port) as client:
            accepted, _ = await loop.sock_accept(listener)
            with accepted:
                await loop.sock_sendall(accepted, b"hello")
                assert await loop.sock_recv(client, 16) == b"hello"


async def test_several_listeners_share_a_port(sockets: VendedSockets) -> None:
    with await sockets.listen_tcp("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with await sockets.listen_tcp("127.0.0.1", port) as second:
            assert second.getsockname()[1] == port


async def test_datagrams(sockets: VendedSockets) -> None:
    loop = asyncio.get_running_loop()
    with (
        await sockets.bind_udp("127.0.0.1", 0) as server,
        await sockets.connect_udp("127.0.0.1", server.getsockname()[1]) as client,
    ):
        await loop.sock_sendall(client, b"ping")
        assert (await loop.sock_recvfrom(server, 16))[0] == b"ping"


async def test_only_loopback_is_published(sockets: VendedSockets) -> None:
    with pytest.raises(OSError) as refused:
        await sockets.listen_tcp("0.0.0.0", 0)
    assert refused.value.errno == errno.EPERM


async def test_a_port_in_use_is_refused_with_its_errno(sockets: VendedSockets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError) as refused:
        await sockets.listen_tcp("127.0.0.1", taken.getsockname()[1])
    assert refused.value.errno == errno.EADDRINUSE
    assert "the port is in use by another program of user" in str(refused.value)


def test_two_clusters_do_not_share_a_port(tmp_path: Path) -> None:
    one, other = PortReservations(tmp_path / "ports", owner="demo"), PortReservations(tmp_path / "ports")
    one.take("tcp-127.0.0.1-30007")
    one.take("tcp-127.0.0.1-30007")
    other.take("udp-127.0.0.1-30007")
    for _ in range(2):
        with pytest.raises(OSError) as refused:
            other.take("tcp-127.0.0.1-30007")
        assert refused.value.errno == errno.EADDRINUSE
        assert "the port is published by cluster 'demo'" in str(refused.value)
        one.give_back("tcp-127.0.0.1-30007")
    other.take("tcp-127.0.0.1-30007")
    one.close()
    other.close()
    assert not (tmp_path / "ports").exists()


async def test_a_port_is_free_again_when_its_last_socket_is_closed(
    vendor: Running, sockets: VendedSockets, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first, second = [await sockets.listen_tcp("127.0.0.1", port) for _ in range(2)]
    other = PortReservations(tmp_path / "ports")
    for listener in (first, second):
        with pytest.raises(OSError):
            other.take(f"tcp-127.0.0.1-{port}")
        listener.close()
        (await sockets.bind_udp("127.0.0.1", 0)).close()  # an answer after it: the vendor has seen the end of the lease
    other.take(f"tcp-127.0.0.1-{port}")
    other.close()


async def test_a_restarted_vendor_is_found_again(vendor: Running, sockets: VendedSockets) -> None:
    (await sockets.listen_tcp("127.0.0.1", 0)).close()
    vendor.stop()
    vendor.start()
    (await sockets.listen_tcp("127.0.0.1", 0)).close()


async def test_concurrent_questions_get_their_own_answers(sockets: VendedSockets) -> None:
    made = await asyncio.gather(*(sockets.bind_udp("127.0.0.1", 0) for _ in range(20)))
    assert len({one.getsockname()[1] for one in made}) == 20
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "packet",
    [b"", b"nonsense", b"[]", b'{"operation":"shell","host":"x","port":1}', b'{"operation":"bind_udp"}',
     b'{"operation":"bind_udp","host":"127.0.0.1","port":70000}', b"\xff\xfe"],
)  # fmt: skip
def test_nonsense_is_not_a_request(packet: bytes) -> None:
    with pytest.raises(ValueError):
        Request.decode(packet)


async def test_the_vendor_outlives_a_hostile_peer(vendor: Running, sockets: VendedSockets) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as hostile:
        hostile.setblocking(False)
        hostile.connect(str(vendor.path))
        await loop.sock_sendall(hostile, b'{"operation":"connect_tcp","host":"example.com","port":80}')
        refusal = decode_refusal(await loop.sock_recv(hostile, 4096))
        assert refusal is not None and refusal.errno == errno.EINVAL
    (await sockets.listen_tcp("127.0.0.1", 0)).close()
