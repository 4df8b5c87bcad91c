"""Cluster DNS fed by the real API server, with a node's own permissions, asked by real tools."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agent.dns.clusterdns import ClusterDNS
from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.resources import CONFIGMAPS, ENDPOINTSLICES, SERVICES
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import Network
from tests.support.apiserver import running_apiserver
from tests.support.fakedns import free_port
from tests.support.services import endpoint, endpoint_slice, port, service

SVC = "default.svc.cluster.local"


class Serving:
    """A name server with a node's identity, and an administrator's client."""

    def __init__(self, admin: Client, node: Client, directory: Path) -> None:
        self.admin = admin
        self.tasks = TaskSet("test")
        self.informers = InformerSet(node, self.tasks, SystemClock())
        self.port = free_port()
        self.dns = ClusterDNS(
            informers=self.informers,
            network=Network(dns_ips=("127.0.0.1",)),
            node_ips=(),
            host_sockets=None,
            resolv_conf=directory / "none",
            clock=SystemClock(),
            port=self.port,
            metrics_port=free_port(),
        )

    async def dig(self, *question: str) -> str:
        """What dig prints, in a thread: the server answers on this loop."""
        command = ["dig", "@127.0.0.1", "-p", str(self.port), "+tries=1", "+time=2", *question]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        return done.stdout

    async def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    async with (
        running_apiserver(tmp_path) as api,
        Client.from_access(api.access) as admin,
        Client.from_access(api.access_of("system:node:n1", "system:nodes")) as node,
    ):
        made = Serving(admin, node, tmp_path)
        await made.dns.start()
        await made.informers.start()
        await made.informers.wait_synced()
        yield made
        await made.dns.stop()
        await made.tasks.close()


needs_dig = pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig")


@needs_dig
async def test_dig_gets_every_kind_of_answer(serving: Serving) -> None:
    created = await serving.admin.create(
        SERVICES, service("web", ip="", clusterIPs=None, ports=[port(80, name="http")])
    )
    address = created["spec"]["clusterIP"]
    await serving.admin.create(SERVICES, service("db", ip="None", clusterIPs=["None"], ports=[port(5432, name="sql")]))
    hosts = [{**endpoint(f"10.244.0.{n}"), "hostname": f"db-{n}"} for n in range(60)]
    ports = [{"name": "sql", "protocol": "TCP", "port": 5432}]
    await serving.admin.create(ENDPOINTSLICES, endpoint_slice("db", hosts, ports=ports))
    await serving.until(lambda: serving.informers.of(ENDPOINTSLICES).get("default", "db-abcde"))
    assert (await serving.dig("+short", f"web.{SVC}")).split() == [address]
    assert (await serving.dig("+short", "+tcp", f"web.{SVC}")).split() == [address]
    assert (await serving.dig("+short", "-x", address)).split() == [f"web.{SVC}."]
    assert (await serving.dig("+short", "SRV", f"_http._tcp.web.{SVC}")).split() == ["0", "100", "80", f"web.{SVC}."]
    assert (await serving.dig("+short", f"db-7.db.{SVC}")).split() == ["10.244.0.7"]
    assert len((await serving.dig("+short", f"db.{SVC}")).split()) == 60
    assert len((await serving.dig("+short", "+noedns", f"db.{SVC}")).split()) == 60, "dig follows the cut bit to TCP"
    assert " tc " in (await serving.dig("+noedns", "+ignore", f"db.{SVC}")).replace(";", " ;")
    assert "status: NXDOMAIN" in await serving.dig(f"none.{SVC}")
    assert "status: SERVFAIL" in await serving.dig("www.example.com")
    assert "BADVERS" in await serving.dig("+edns=1", "+noednsneg", f"web.{SVC}")
    assert "Malformed" not in await serving.dig("ANY", f"web.{SVC}")


async def test_a_node_may_read_the_settings(serving: Serving) -> None:
    data = {"hosts": "192.0.2.66 box"}
    settings = {"metadata": {"namespace": "kube-system", "name": "kube-dns"}, "data": data}
    await serving.admin.create(CONFIGMAPS, settings)
    await serving.until(lambda: serving.dns._responder.hosts.lookup(b"\x03box\0", 1))
