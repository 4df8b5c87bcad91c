"""The cloud provider between a small real API server and real sockets: from a Service to an answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api import resources
from minikube_py.api.types import Object
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.cloud.app import CloudProvider
from minikube_py.cloud.views import FINALIZER
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.hostnet.sockets import DirectSockets
from tests.support.fakeapi import FakeAPI
from tests.support.services import port, service


def free_port(ip: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def cloud(api: FakeAPI) -> AsyncIterator[CloudProvider]:
    """A provider whose pool lies in the loopback network, so that its addresses can be bound here."""
    tasks, clock = TaskSet("test"), SystemClock()
    async with Client(server=api.url) as client:
        informers = InformerSet(client, tasks, clock)
        provider = CloudProvider(
            client=client,
            informers=informers,
            cidrs=("127.231.0.0/29",),
            inside=(),
            host_sockets=DirectSockets(),
            clock=clock,
            data_plane=lambda _: UserspaceDataPlane(
                clients=Clients(pod_cidrs=(), node_addresses=("127.0.0.0/8",)),
                host_sockets=DirectSockets(),
                clock=clock,
                keep_sources=False,
                node_ips=("127.0.0.1",),
            ),
        )
        await informers.start()
        await provider.start()
        try:
            yield provider
        finally:
            await provider.stop()
            await informers.stop()
            await tasks.close()


@asynccontextmanager
async def node(api: FakeAPI, name: str, ip: str, *, health: int) -> AsyncIterator[dict[str, int]]:
    """A node that answers health checks and, on a node port, says its name."""
    state = {"status": 200}

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=state["status"])

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, ip, health).start()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.close()

    server = await asyncio.start_server(greet, ip, 0)
    state["node_port"] = server.sockets[0].getsockname()[1]
    addresses = [{"type": "InternalIP", "address": ip}]
    meta = {"name": name, "labels": {}}
    obj = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": {"addresses": addresses}}
    api.put(resources.NODES, obj)
    try:
        yield state
    finally:
        server.close()
        await server.wait_closed()
        await runner.cleanup()


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - what is awaited is the effect of a watch event
            await asyncio.sleep(0.005)


async def ask(ip: str, number: int) -> str:
    try:
        reader, writer = await asyncio.open_connection(ip, number)
    except OSError as error:
        return type(error).__name__
    try:
        return (await reader.read()).decode()
    except OSError as error:
        return type(error).__name__
    finally:
        writer.close()


async def answered(ip: str, number: int, *, expected: str) -> None:
    async with asyncio.timeout(60):
        while await ask(ip, number) != expected:  # noqa: ASYNC110 - what is awaited is a health check
            await asyncio.sleep(0.02)


def get(api: FakeAPI, name: str = "web") -> Object:
    found = api.get(resources.SERVICES, name, "default")
    assert found is not None
    return found


def ingress(api: FakeAPI, name: str = "web") -> list[dict[str, str]]:
    status = get(api, name).get("status") or {}
    return (status.get("loadBalancer") or {}).get("ingress") or []


def events(api: FakeAPI) -> list[str]:
    return [event["reason"] for event in api.list(resources.EVENTS)]


async def test_from_service_to_answer_and_back(monkeypatch: Any) -> None:
    check, front = free_port(), free_port()
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": check}
    async with FakeAPI() as api, node(api, "node-1", "127.12.0.1", health=check) as one, cloud(api):
        api.put(resources.SERVICES, service("web", ports=[port(front, node_port=one["node_port"])], **spec))
        await until(lambda: ingress(api))
        assert ingress(api) == [{"ip": "127.231.0.1", "ipMode": "VIP"}]
        assert FINALIZER in get(api)["metadata"]["finalizers"]
        await answered("127.231.0.1", front, expected="node-1")
        await answered("127.0.0.1", front, expected="node-1")
        assert get(api)["metadata"]["annotations"]["minik.io/published"] == f"{front}/TCP=127.0.0.1:{front}"
        one["status"] = 503
        await answered("127.231.0.1", front, expected="ConnectionRefusedError")
        one["status"] = 200
        await answered("127.231.0.1", front, expected="node-1")
        changed = get(api)
        changed["spec"]["type"] = "ClusterIP"
        api.put(resources.SERVICES, changed)
        await until(lambda: FINALIZER not in (get(api)["metadata"].get("finalizers") or []))
        assert not ingress(api)
        await answered("127.231.0.1", front, expected="ConnectionRefusedError")
        await until(lambda: "DeletedLoadBalancer" in events(api))
        assert {"EnsuringLoadBalancer", "EnsuredLoadBalancer", "DeletingLoadBalancer"} <= set(events(api))


async def test_an_exhausted_pool_is_told_by_event_and_served_when_an_address_is_free() -> None:
    async with FakeAPI() as api, cloud(api):
        for number in range(7):
            api.put(resources.SERVICES, service(f"s{number}", ip=f"10.96.0.{number + 1}", type="LoadBalancer"))
        await until(lambda: "SyncLoadBalancerFailed" in events(api))
        pending = [f"s{number}" for number in range(7) if not ingress(api, f"s{number}")]
        assert len(pending) == 1
        served = next(f"s{number}" for number in range(7) if ingress(api, f"s{number}"))
        obj = get(api, served)
        obj["spec"]["type"] = "ClusterIP"
        api.put(resources.SERVICES, obj)
        await until(lambda: ingress(api, pending[0]))


async def test_a_restart_keeps_addresses() -> None:
    async with FakeAPI() as api:
        wanted = service("web", type="LoadBalancer", ingress=[{"ip": "127.231.0.5", "ipMode": "VIP"}])
        api.put(resources.SERVICES, wanted)
        async with cloud(api):
            await until(lambda: FINALIZER in (get(api)["metadata"].get("finalizers") or []))
            assert ingress(api) == [{"ip": "127.231.0.5", "ipMode": "VIP"}]
