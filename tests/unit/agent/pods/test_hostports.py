"""Host ports carry TCP with its half-close and UDP with its answers, and are given back."""

from __future__ import annotations

import asyncio

import pytest

from agent.pods.hostports import HostPort, HostPorts, host_ports_of
from minikube_py.aio.clock import SystemClock
from tests.support.podstates import make_pod


def test_ports_of_a_pod() -> None:
    ports = [
        {"containerPort": 80, "hostPort": 8080},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "127.0.0.1"},
        {"containerPort": 81},
    ]
    found = host_ports_of(make_pod({"name": "app", "ports": ports}), ("10.0.0.1", "fd00::1"))
    assert found == [
        HostPort("TCP", "10.0.0.1", 8080, 80),
        HostPort("TCP", "fd00::1", 8080, 80),
        HostPort("UDP", "127.0.0.1", 53, 53),
    ]


def pod_with(host_port: int, port: int, protocol: str = "TCP") -> dict[str, object]:
    entry = {"containerPort": port, "hostPort": host_port, "protocol": protocol}
    return make_pod({"name": "app", "ports": [entry]})


async def test_tcp_with_half_close(unused_tcp_port: int) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    ports = HostPorts(node_ips=("127.0.0.1",), clock=SystemClock())
    pod = pod_with(unused_tcp_port, server.sockets[0].getsockname()[1])
    await ports.open(pod, "127.0.0.1")
    await ports.open(pod, "127.0.0.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(b"hello")
    writer.write_eof()
    assert await reader.read() == b"HELLO"
    writer.close()
    await ports.close("u1")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    server.close()
    await server.wait_closed()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data.upper(), address)  # type: ignore[attr-defined]


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
        self.received.put_nowait(data)


async def test_udp_answers_each_client(unused_udp_port: int) -> None:
    loop = asyncio.get_running_loop()
    echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    ports = HostPorts(node_ips=("127.0.0.1",), clock=SystemClock())
    await ports.open(pod_with(unused_udp_port, echo.get_extra_info("sockname")[1], "UDP"), "127.0.0.1")
    clients = []
    for text in (b"one", b"two"):
        transport, client = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", unused_udp_port))
        transport.sendto(text)
        transport.sendto(text)
        clients.append((transport, client, text))
    for transport, client, text in clients:
        async with asyncio.timeout(60):
            assert [await client.received.get(), await client.received.get()] == [text.upper()] * 2
        transport.close()
    await ports.stop()
    echo.close()
    await asyncio.sleep(0.01)


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(unused_tcp_port: int) -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    number = taken.sockets[0].getsockname()[1]
    entries = [{"containerPort": 1, "hostPort": unused_tcp_port}, {"containerPort": 1, "hostPort": number}]
    ports = HostPorts(node_ips=("127.0.0.1",), clock=SystemClock())
    with pytest.raises(OSError):
        await ports.open(make_pod({"name": "app", "ports": entries}), "127.0.0.1")
    (await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", unused_tcp_port)).close()
    taken.close()
    await taken.wait_closed()
    await asyncio.sleep(0.01)
