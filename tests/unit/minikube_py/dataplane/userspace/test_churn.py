"""A day of virtual churn leaves nothing: no socket, flow, timer, remembered client or connection."""

from __future__ import annotations

import asyncio
import os
import random
import socket

from minikube_py.dataplane.model import Changes, Frontend
from minikube_py.dataplane.userspace.plane import UserspacePlane
from tests.support.planes import node_frontend, route_to, running_plane

_STEPS = 1440


class Minutes:
    """Time that passes by the minute."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_day_of_churn_leaves_nothing() -> None:
    rng, minutes = random.Random(7), Minutes()
    server = await asyncio.start_server(_echo, "127.20.0.1", 0)
    tcp_end = server.sockets[0].getsockname()[:2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_end:
        udp_end.bind(("127.20.0.1", 0))
        fronts = [node_frontend("127.10.1.1", 20_000 + n, "UDP" if n % 3 == 0 else "TCP") for n in range(12)]
        async with running_plane(monotonic=minutes) as plane, server:
            await asyncio.sleep(0.01)
            before = descriptors()
            for _ in range(_STEPS):
                minutes.seconds += 60
                plane.apply(_change(rng, fronts, tcp_end, udp_end.getsockname()))
                await _visit(rng.choice(fronts))
            plane.apply(dict.fromkeys(fronts))
            await _settled(plane, before)
            assert (plane.load(), plane.draining(), plane.problems()) == ({}, 0, {})
            balancer = plane._services.balancer
            assert (balancer.sticky_clients, balancer._turns, balancer._sticky) == (0, {}, {})
            engine = plane._services.medium.engine
            minutes.seconds += 86_400
            engine.turn()
            assert (engine._handlers, engine._timers, plane._ports) == ({}, [], {})


def _change(rng: random.Random, fronts: list[Frontend], tcp: tuple[str, int], udp: tuple[str, int]) -> Changes:
    changes: Changes = {}
    for front in rng.sample(fronts, 3):
        ends = [udp if front.protocol == "UDP" else tcp] if rng.random() < 0.7 else []
        changes[front] = route_to(front, *ends, affinity=rng.choice([0, 60])) if rng.random() < 0.8 else None
    return changes


async def _visit(front: Frontend) -> None:
    if front.protocol == "UDP":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", front[1:3])
        return
    try:
        _, writer = await asyncio.open_connection(front.ip, front.port)
    except OSError:
        return
    writer.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.read()
    except OSError:
        pass
    writer.close()


async def _settled(plane: UserspacePlane, before: int) -> None:
    async with asyncio.timeout(60):
        while descriptors() > before or plane.draining():
            plane.apply({})
            await asyncio.sleep(0.01)
