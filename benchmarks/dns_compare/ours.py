"""Our name server with the benchmark's data: ``python -m benchmarks.dns_compare.ours PORT UPSTREAM_PORT``."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from pathlib import Path

import uvloop

from agent.dns.endpoints import DatagramEndpoint
from agent.dns.forward import Forwarder, Routes
from agent.dns.responder import Responder
from agent.dns.upstream import Server
from agent.dns.views import Port, ServiceView
from agent.dns.zone import Zone
from benchmarks.dns_compare.data import DOMAIN, services
from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.types import ObjectKey
from minikube_py.hostnet.sockets import DirectSockets


def _zone() -> Zone:
    zone = Zone(domain=DOMAIN, dns_ips=["10.96.255.254"], cidrs=["10.96.0.0/16"])
    zone.set_namespace("default", True)
    for name, address in services():
        key = ObjectKey("default", name.partition(".")[0])
        zone.set_service(key, ServiceView(key, (address,), (Port("http", "tcp", 80),), False, "", False))
    return zone


async def serve(port: int, upstream: int) -> None:
    """Answer for ever."""
    clock = SystemClock()
    forwarder = Forwarder(sockets=DirectSockets(), resolv_conf=Path("/dev/null"), own_addresses=[], clock=clock)
    forwarder.configure(Routes(upstreams=(Server("127.0.0.1", upstream),)))
    responder = Responder(zone=_zone(), forwarder=forwarder, clock=clock, synced=lambda: True)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind(("127.0.0.1", port))
    DatagramEndpoint(sock, responder=responder, tasks=TaskSet("dns")).start()
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
