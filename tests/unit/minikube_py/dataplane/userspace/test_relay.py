"""Relayed connections, over real sockets on the loopback: every byte in order, every ending passed on."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from minikube_py.dataplane.userspace.plane import UserspacePlane
from minikube_py.dataplane.userspace.relay import Relay
from tests.support.planes import node_frontend, route_to, running_plane

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def free_port(ip: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(handler: Handler, ip: str = "127.20.0.1") -> AsyncIterator[tuple[str, int]]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, ip, 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST rather than FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - the data plane's engine has no events for tests
            await asyncio.sleep(0.005)


async def quiet(plane: UserspacePlane) -> None:
    await until(lambda: not any(plane.load().values()) and not plane.draining())


def publish(plane: UserspacePlane, *endpoints: tuple[str, int]) -> tuple[str, int]:
    frontend = node_frontend("127.10.0.1", free_port("127.10.0.1"))
    plane.apply({frontend: route_to(frontend, *endpoints)})
    return frontend.ip, frontend.port


async def exchange(address: tuple[str, int], *, seed: int, size: int) -> tuple[str, str]:
    """Sends ``size`` random bytes in random chunks, half-closes, and reads all that comes back: both digests."""
    rng = random.Random(seed)
    reader, writer = await asyncio.open_connection(*address)
    sent, received = hashlib.sha1(), hashlib.sha1()

    async def send() -> None:
        left = size
        while left:
            chunk = rng.randbytes(min(left, int(2 ** rng.uniform(0, 20))))
            left -= len(chunk)
            sent.update(chunk)
            writer.write(chunk)
            await writer.drain()
            if rng.random() < 0.1:
                await asyncio.sleep(rng.random() * 0.004)
        writer.write_eof()

    async def receive() -> None:
        while data := await reader.read(int(2 ** rng.uniform(0, 18))):
            received.update(data)
            if rng.random() < 0.05:
                await asyncio.sleep(rng.random() * 0.01)

    await asyncio.gather(send(), receive())
    writer.close()
    await writer.wait_closed()
    return sent.hexdigest(), received.hexdigest()


@pytest.mark.parametrize("seed", range(10))
async def test_fuzzed_echo_comes_back_unchanged(seed: int) -> None:
    rng = random.Random(seed)
    async with running_plane() as plane, serving(echo) as endpoint:
        address = publish(plane, endpoint)
        sizes = [int(2 ** rng.uniform(0, 22)) for _ in range(12)]
        async with asyncio.timeout(60):
            results = await asyncio.gather(
                *(exchange(address, seed=seed * 100 + n, size=size) for n, size in enumerate(sizes))
            )
        assert all(sent == received for sent, received in results)
        await quiet(plane)


async def test_bulk_is_spliced_and_complete_though_the_reader_is_slow() -> None:
    total = 64 << 20
    block = bytes(range(256)) * 1024

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(total // len(block)):
            writer.write(block)
            await writer.drain()

    async with running_plane() as plane, serving(pour) as endpoint:
        reader, writer = await asyncio.open_connection(*publish(plane, endpoint))
        count, digest = 0, hashlib.sha1()
        while data := await reader.read(1 << 20):
            if count == 0:
                await asyncio.sleep(0.05)
            count += len(data)
            digest.update(data)
        writer.close()
        await writer.wait_closed()
        assert (count, digest.digest()) == (total, hashlib.sha1(block * (total // len(block))).digest())
        await quiet(plane)


async def test_half_close_reaches_the_endpoint_and_answers_still_flow() -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()
        await asyncio.sleep(0.01)
        writer.write(f"{len(data)} bytes".encode())

    async with running_plane() as plane, serving(count) as endpoint:
        reader, writer = await asyncio.open_connection(*publish(plane, endpoint))
        writer.write(b"x" * 1000)
        writer.write_eof()
        assert await reader.read() == b"1000 bytes"
        writer.close()
        await writer.wait_closed()
        await quiet(plane)


async def test_a_server_that_speaks_first_and_closes() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")

    async with running_plane() as plane, serving(greet) as endpoint:
        reader, writer = await asyncio.open_connection(*publish(plane, endpoint))
        assert await reader.read() == b"220 ready\r\n"
        writer.close()
        await writer.wait_closed()
        await quiet(plane)


async def test_a_reset_of_the_endpoint_resets_the_client() -> None:
    async def kill(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    async with running_plane() as plane, serving(kill) as endpoint:
        reader, writer = await asyncio.open_connection(*publish(plane, endpoint))
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await quiet(plane)


async def test_a_reset_of_the_client_resets_the_endpoint() -> None:
    seen: asyncio.Future[BaseException | bytes] = asyncio.get_running_loop().create_future()

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            seen.set_result(await reader.read(1))
        except OSError as error:
            seen.set_result(error)

    async with running_plane() as plane, serving(watch) as endpoint:
        _, writer = await asyncio.open_connection(*publish(plane, endpoint))
        writer.write(b"x")
        await asyncio.sleep(0.02)
        reset(writer)
        assert isinstance(await asyncio.wait_for(seen, 60), ConnectionResetError)
        await quiet(plane)


async def test_without_endpoints_clients_are_refused() -> None:
    async with running_plane() as plane:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*publish(plane))


async def test_a_refusing_endpoint_is_replaced_by_another() -> None:
    async with running_plane() as plane, serving(echo) as endpoint:
        dead = ("127.20.0.9", free_port("127.20.0.9"))
        address = publish(plane, dead, endpoint)
        for _ in range(4):
            sent, received = await exchange(address, seed=1, size=100)
            assert sent == received
        await quiet(plane)


async def test_when_every_endpoint_refuses_the_client_is_reset() -> None:
    async with running_plane() as plane:
        address = publish(plane, ("127.20.0.9", free_port("127.20.0.9")))
        with pytest.raises(ConnectionResetError):  # at once, or when it reads
            reader, writer = await asyncio.open_connection(*address)
            try:
                await reader.read()
            finally:
                writer.close()
        await quiet(plane)


async def test_removed_endpoints_get_nothing_new_and_established_connections_drain() -> None:
    async with running_plane() as plane, serving(echo) as old, serving(echo, "127.20.0.2") as new:
        frontend = node_frontend("127.10.0.1", free_port("127.10.0.1"))
        plane.apply({frontend: route_to(frontend, old)})
        reader, writer = await asyncio.open_connection(frontend.ip, frontend.port)
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        plane.apply({frontend: route_to(frontend)})
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(frontend.ip, frontend.port)
        plane.apply({frontend: route_to(frontend, new)})
        assert len(set(await exchange((frontend.ip, frontend.port), seed=1, size=10))) == 1
        writer.write(b"b")
        assert await reader.read(1) == b"b"
        assert plane.draining() == 1
        writer.close()
        await writer.wait_closed()
        await quiet(plane)


async def test_connections_are_spread_evenly() -> None:
    hits: dict[str, int] = {}

    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ip = writer.get_extra_info("sockname")[0]
        hits[ip] = hits.get(ip, 0) + 1

    async with running_plane() as plane, serving(name) as a, serving(name, "127.20.0.2") as b:
        address = publish(plane, a, b)
        for _ in range(10):
            reader, writer = await asyncio.open_connection(*address)
            await reader.read()
            writer.close()
            await writer.wait_closed()
        assert hits == {a[0]: 5, b[0]: 5}
        await quiet(plane)


async def test_a_port_in_use_is_reported_retried_and_does_not_stop_the_others() -> None:
    async with running_plane() as plane, serving(echo) as endpoint:
        with socket.socket() as squatter:
            squatter.bind(("127.10.0.1", 0))
            squatter.listen()
            taken = node_frontend("127.10.0.1", squatter.getsockname()[1])
            free = node_frontend("127.10.0.1", free_port("127.10.0.1"))
            plane.apply({taken: route_to(taken, endpoint), free: route_to(free, endpoint)})
            assert plane.problems() == {taken: "Address already in use"}
            assert len(set(await exchange((free.ip, free.port), seed=1, size=10))) == 1
        await until(lambda: not plane.problems())
        assert len(set(await exchange((taken.ip, taken.port), seed=1, size=10))) == 1
        await quiet(plane)


async def test_a_failing_handler_costs_only_its_own_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_plane() as plane, serving(echo) as endpoint:
        address = publish(plane, endpoint)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        with monkeypatch.context() as patch:
            patch.setattr(Relay, "_serve", lambda *_: 1 // 0)
            writer.write(b"b")
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()
        assert "handler failed" in caplog.text
        assert len(set(await exchange(address, seed=1, size=10))) == 1
        await quiet(plane)
