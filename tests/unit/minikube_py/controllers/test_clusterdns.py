"""kube-dns: made, kept, and true about the nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from minikube_py.aio.clock import SystemClock
from minikube_py.aio.tasks import TaskSet
from minikube_py.api.resources import ENDPOINTSLICES, NODES, SERVICES
from minikube_py.api.types import Object
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import Network
from minikube_py.controllers.clusterdns import ClusterDNSController, dns_service, dns_slice
from minikube_py.controllers.context import Context
from minikube_py.controllers.writes import Writes
from tests.support.fakeapi import FakeAPI


def node(name: str, *addresses: str, ready: bool = True) -> Object:
    return {
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "Hostname", "address": name}]
            + [{"type": "InternalIP", "address": address} for address in addresses],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def test_the_service_is_what_tools_look_for() -> None:
    service = dns_service(Network())
    assert service["metadata"]["labels"]["k8s-app"] == "kube-dns"
    assert service["spec"]["clusterIP"] == "10.96.0.10"
    assert [(port["name"], port["protocol"], port["port"]) for port in service["spec"]["ports"]] == [
        ("dns", "UDP", 53),
        ("dns-tcp", "TCP", 53),
        ("metrics", "TCP", 9153),
    ]
    dual = dns_service(Network(dns_ips=("10.96.0.10", "fd00:96::a")))
    assert dual["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


def test_a_slice_tells_each_nodes_readiness() -> None:
    nodes = [node("n2", "10.0.0.2", "fd00::2", ready=False), node("n1", "10.0.0.1"), node("n3")]
    found = dns_slice(nodes, "IPv4")
    assert [
        (endpoint["nodeName"], endpoint["addresses"], endpoint["conditions"]["ready"])
        for endpoint in found["endpoints"]
    ] == [("n1", ["10.0.0.1"], True), ("n2", ["10.0.0.2"], False)]
    assert [endpoint["nodeName"] for endpoint in dns_slice(nodes, "IPv6")["endpoints"]] == ["n2"]


async def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


async def test_it_is_made_kept_and_made_again() -> None:
    tasks = TaskSet("test")
    async with FakeAPI() as api, Client(api.url) as client:
        informers = InformerSet(client, tasks, SystemClock())
        recorder = EventRecorder(client, "test")
        context = Context(client, informers, Writes(client, informers), lambda _: recorder, SystemClock())
        controller = ClusterDNSController(context, network=Network())
        await informers.start()
        await informers.wait_synced()
        await controller.start()
        await until(lambda: api.get(ENDPOINTSLICES, "kube-dns-ipv4", "kube-system"))
        api.put(NODES, node("n1", "10.0.0.1"))
        await until(lambda: len((api.get(ENDPOINTSLICES, "kube-dns-ipv4", "kube-system") or {})["endpoints"]) == 1)
        api.put(NODES, node("n1", "10.0.0.1", ready=False))
        await until(
            lambda: (
                not (api.get(ENDPOINTSLICES, "kube-dns-ipv4", "kube-system") or {})["endpoints"][0]["conditions"][
                    "ready"
                ]
            )
        )
        api.remove(SERVICES, "kube-dns", "kube-system")
        await until(lambda: api.get(SERVICES, "kube-dns", "kube-system"))
        revision = api.revision
        api.put(NODES, node("n1", "10.0.0.1", ready=False))
        await asyncio.sleep(0.05)
        assert api.revision == revision + 1, "what is as it should be is not written"
        await controller.stop()
        await recorder.close()
        await tasks.close()
