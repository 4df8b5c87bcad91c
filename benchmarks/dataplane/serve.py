"""The program under measurement: one of our data planes with one Service, in the namespace it is started in."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

import uvloop

from minikube_py.aio.clock import SystemClock
from minikube_py.api.types import ObjectKey
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.model import (
    Backends,
    Endpoint,
    Frontend,
    KeepSource,
    Kind,
    PortKey,
    Route,
    Scope,
    Verdict,
)
from minikube_py.dataplane.nftables.build import NftablesDataPlane
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients


def route(address: str, endpoints: str) -> Route:
    """``address`` is ip:port, ``endpoints`` are comma-separated ip:port."""
    ip, _, port = address.partition(":")
    ends = tuple(
        Endpoint(host, int(number)) for host, _, number in (each.partition(":") for each in endpoints.split(","))
    )
    backends = Backends(Verdict.FORWARD, ends)
    frontend = Frontend(Scope.NODE, ip, int(port), "TCP")
    key = PortKey(ObjectKey("default", f"bench-{port}"), "", "TCP")
    return Route(frontend, Kind.CLUSTER_IP, key, backends, backends, KeepSource.NEVER)


def plane(name: str, node_ip: str) -> DataPlane:
    """A data plane by name."""
    clients = Clients(pod_cidrs=["10.244.0.0/16"], node_addresses=[node_ip, "127.0.0.0/8"])
    node_ips = (node_ip,)

    def userspace(*, keep: bool) -> DataPlane:
        return UserspaceDataPlane(
            clients=clients, host_sockets=None, clock=SystemClock(), keep_sources=keep, node_ips=node_ips
        )

    if name == "userspace":
        return userspace(keep=True)
    return NftablesDataPlane(clients=clients, node_ips=node_ips, beside=userspace(keep=False), clock=SystemClock())


async def main(name: str, node_ip: str, *services: str) -> None:
    """``services`` are address=endpoints."""
    serving = plane(name, node_ip)
    serving.start()
    routes = [route(*each.split("=")) for each in services]
    serving.apply({each.frontend: each for each in routes})
    gc.collect()
    gc.freeze()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    await stop.wait()
    await serving.stop()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
