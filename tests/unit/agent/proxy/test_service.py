"""The Service proxy between a small real API server and real sockets on the loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from agent.proxy.service import ServiceProxy
from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api import resources
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import Network
from minikube_py.hostnet.sockets import DirectSockets
from tests.support.fakeapi import FakeAPI
from tests.support.services import endpoint, endpoint_slice, port, service


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def proxying(
    *, node_ips: tuple[str, ...] = ("127.11.0.1",), **options: Any
) -> AsyncIterator[tuple[FakeAPI, ServiceProxy]]:
    tasks, clock = TaskSet("test"), SystemClock()
    async with FakeAPI() as api, Client(server=api.url) as client:
        informers = InformerSet(client, tasks, clock)
        api.put(resources.NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}})
        proxy = ServiceProxy(
            informers=informers,
            node_name="node-1",
            node_ips=node_ips,
            pod_cidrs=("10.244.0.0/24",),
            network=Network(),
            host_sockets=options.pop("host_sockets", None),
            clock=clock,
            healthz_port=options.pop("healthz_port", 0) or free_port(),
            status_port=options.pop("status_port", 0) or free_port(),
            recorder=EventRecorder(client, "service-proxy", "node-1", clock=clock),
            keep_sources=False,
            **options,
        )
        await informers.start()
        await proxy.start()
        try:
            yield api, proxy
        finally:
            await proxy.stop()
            await informers.stop()
            await tasks.close()


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - what is awaited is the effect of a watch event
            await asyncio.sleep(0.002)


def slice_for(server: asyncio.Server, name: str = "web", **conditions: Any) -> dict[str, Any]:
    ip, number = server.sockets[0].getsockname()
    return endpoint_slice(name, [endpoint(ip, **conditions)], ports=[{"name": "", "protocol": "TCP", "port": number}])


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


async def ask(ip: str, number: int) -> bytes:
    reader, writer = await asyncio.open_connection(ip, number)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_from_watch_event_to_answer() -> None:
    number = free_port()
    server = await asyncio.start_server(hello, "127.20.0.1", 0)
    async with proxying() as (api, proxy), server:
        await until(lambda: proxy.synced)
        api.put(resources.SERVICES, service("web", ip="127.10.0.1", ports=[port(number)]))
        api.put(resources.ENDPOINTSLICES, slice_for(server))
        await until(lambda: proxy.synced and proxy.table()["routes"] and proxy.table()["routes"][0]["endpoints"])
        assert await ask("127.10.0.1", number) == b"hello"
        api.put(resources.ENDPOINTSLICES, slice_for(server, ready=False))
        await until(lambda: proxy.synced and not proxy.table()["routes"][0]["endpoints"])
        with pytest.raises(ConnectionRefusedError):
            await ask("127.10.0.1", number)


async def test_a_frozen_proxy_hears_and_does_nothing_until_it_is_mended() -> None:
    number = free_port()
    server = await asyncio.start_server(hello, "127.20.0.1", 0)
    async with proxying() as (api, proxy), server:
        await until(lambda: proxy.synced)
        proxy.faults.make("freeze-proxy")
        api.put(resources.SERVICES, service("web", ip="127.10.0.1", ports=[port(number)]))
        api.put(resources.ENDPOINTSLICES, slice_for(server))
        await until(lambda: proxy.synced and proxy.table()["routes"] and proxy.table()["routes"][0]["endpoints"])
        with pytest.raises(ConnectionRefusedError):
            await ask("127.10.0.1", number)
        proxy.faults.clear()
        await until(lambda: proxy.synced)
        assert await ask("127.10.0.1", number) == b"hello"


async def test_node_ports_are_on_every_node_address_and_on_the_host() -> None:
    number, node_port = free_port(), free_port()
    server = await asyncio.start_server(hello, "127.20.0.1", 0)
    spec = {"ip": "127.10.0.1", "type": "NodePort", "ports": [port(number, node_port=node_port)]}
    async with proxying(host_sockets=HostOn("127.99.0.1")) as (api, proxy), server:
        api.put(resources.SERVICES, service("web", **spec))
        api.put(resources.ENDPOINTSLICES, slice_for(server))
        await until(lambda: proxy.synced and len(proxy.table()["routes"]) == 4)
        for ip in ("127.11.0.1", "127.0.0.1", "127.99.0.1"):
            assert await ask(ip, node_port) == b"hello"
        api.put(resources.SERVICES, service("web", **spec | {"type": "ClusterIP", "ports": [port(number)]}))
        await until(lambda: proxy.synced and len(proxy.table()["routes"]) == 1)
        for ip in ("127.11.0.1", "127.99.0.1"):
            with pytest.raises(ConnectionRefusedError):
                await ask(ip, node_port)


class HostOn(DirectSockets):
    """Stands for another network namespace: publishes on an address of its own."""

    def __init__(self, ip: str) -> None:
        self._ip = ip

    async def listen_tcp(self, host: str, port: int) -> socket.socket:
        return await super().listen_tcp(self._ip, port)


async def test_one_bad_service_never_stops_the_others() -> None:
    number = free_port()
    server = await asyncio.start_server(hello, "127.20.0.1", 0)
    async with proxying() as (api, proxy), server:
        foreign = service("foreign", ip="203.0.113.1", ports=[port(number, protocol="SCTP")])
        api.put(resources.SERVICES, foreign)
        ends = endpoint_slice("foreign", [endpoint("127.20.0.1")], ports=[{"name": "", "protocol": "SCTP", "port": 1}])
        api.put(resources.ENDPOINTSLICES, ends)
        api.put(resources.SERVICES, service("web", ip="127.10.0.1", ports=[port(number)]))
        api.put(resources.ENDPOINTSLICES, slice_for(server))
        await until(lambda: proxy.synced and len(proxy.table()["routes"]) == 2)
        assert await ask("127.10.0.1", number) == b"hello"
        (bad,) = [route for route in proxy.table()["routes"] if route["service"] == "default/foreign"]
        assert bad["problem"] == "the userspace proxy does not relay SCTP"


async def test_health_check_node_port() -> None:
    check = free_port()
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": check}
    server = await asyncio.start_server(hello, "127.20.0.1", 0)
    async with proxying() as (api, proxy), server, aiohttp.ClientSession() as http:
        api.put(resources.SERVICES, service("web", ip="127.10.0.1", ports=[port(free_port())], **spec))
        await until(lambda: str(check) in proxy.table()["healthCheckPorts"])

        async def probe() -> tuple[int, Any]:
            async with http.get(f"http://127.11.0.1:{check}/") as answer:
                return answer.status, await answer.json()

        async with asyncio.timeout(60):
            while True:
                try:
                    status, body = await probe()
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.005)
        assert (status, body["localEndpoints"]) == (503, 0)
        assert body["service"] == {"namespace": "default", "name": "web"}
        api.put(resources.ENDPOINTSLICES, slice_for(server))
        async with asyncio.timeout(60):
            while (await probe())[0] != 200:  # noqa: ASYNC110 - what is awaited is the effect of a watch event
                await asyncio.sleep(0.005)


async def test_healthz_turns_away_from_a_node_that_is_to_go() -> None:
    number = free_port()
    async with proxying(healthz_port=number) as (api, proxy), aiohttp.ClientSession() as http:
        url = f"http://127.11.0.1:{number}"
        async with http.get(f"{url}/healthz") as answer:
            assert (answer.status, (await answer.json())["nodeEligible"]) == (200, True)
        doomed = {"spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}}
        api.put(resources.NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}} | doomed)
        await until(lambda: not proxy._health.node_eligible)
        async with http.get(f"{url}/healthz") as answer:
            assert answer.status == 503
        async with http.get(f"{url}/livez") as answer:
            assert answer.status == 200


async def test_the_dns_address_is_left_to_the_nodes_own_server() -> None:
    async with proxying() as (api, proxy):
        api.put(resources.SERVICES, service("kube-dns", ip="10.96.0.10", ports=[port(53)]))
        api.put(resources.ENDPOINTSLICES, endpoint_slice("kube-dns", [endpoint("127.20.0.1")]))
        await until(lambda: proxy.synced and proxy.table()["routes"])
        (route,) = proxy.table()["routes"]
        assert route["servedBy"] == "the node's own DNS server"
        assert "problem" not in route


async def test_the_mode_is_told_on_the_loopback_only() -> None:
    number = free_port()
    async with proxying(status_port=number), aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{number}/proxyMode") as answer:
            assert (answer.status, await answer.text()) == (200, "userspace")
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"http://127.11.0.1:{number}/proxyMode")


async def test_a_port_that_cannot_be_had_is_told_on_the_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node_port = taken.getsockname()[1]
        async with proxying(host_sockets=DirectSockets()) as (api, _):
            spec = {"ip": "127.10.0.1", "type": "NodePort", "ports": [port(free_port(), node_port=node_port)]}
            api.put(resources.SERVICES, service("web", **spec))
            ends = endpoint_slice("web", [endpoint("127.20.0.1")])
            api.put(resources.ENDPOINTSLICES, ends)
            await until(lambda: api.objects.get(resources.EVENTS))
            events = list(api.objects[resources.EVENTS].values())
    assert {(each["type"], each["reason"], each["involvedObject"]["name"]) for each in events} == {
        ("Warning", "AddressNotServed", "web")
    }
    assert any(each["message"].startswith(f"127.0.0.1:{node_port}/TCP") for each in events)
