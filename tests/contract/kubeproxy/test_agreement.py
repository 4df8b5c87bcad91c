"""The same Services through our data planes and through a real kube-proxy: who answers, and whose address is seen.

``answers.json`` holds what kube-proxy v1.37.2 (nftables mode) answered on this very lab. Our planes are held to it
everywhere; where a kube-proxy is on the PATH it is run too and held to its own record, so that the record stays true.
To record anew: ``python -m pytest tests/contract/kubeproxy --record-kube-proxy``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.proxy.table.table import RoutingTable
from agent.proxy.table.views import ZONE_LABEL, Node
from minikube_py.aio.clock import SystemClock
from minikube_py.api.resources import ENDPOINTSLICES, SERVICES
from minikube_py.api.resources import NODES as NODE_OBJECTS
from minikube_py.api.types import Object
from minikube_py.client.rest import Client
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.nftables.build import NftablesDataPlane
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients
from tests.support.apiserver import running_apiserver
from tests.support.kubeproxy import BINARY, kube_proxy
from tests.support.netlab import GATEWAY, NODES, PODS, Lab, LoopThread
from tests.support.proxycases import CASES, NODE, NODE_IP, OUTSIDE, ZONE, Ask
from tests.support.services import endpoint, endpoint_slice, service

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root (or unshare -Ur)")]

RECORD = Path(__file__).with_name("answers.json")
#: How often a cell is asked until everybody who may answer has: of two endpoints one stays silent once in 2**40 times.
_ASKS = 48
#: From then on with pauses of chance: two origins that ask in turn would each get the same one of two for ever.
_IN_STEP = 4
#: How long an answer may take on a busy machine, and how long silence is listened to where it is expected.
_PATIENCE_SECONDS, _SILENCE_SECONDS = 5.0, 0.3
_LAST = "10.96.3.1"
Answers = dict[str, list[str]]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as built:
        with built.places["fabric"].netlink() as net:
            net.route_add(OUTSIDE, via=NODE_IP, dev="n0", onlink=True, replace=True)
        yield built


def last_case() -> tuple[Object, Object]:
    """A Service that comes after all others: where it answers, they are programmed."""
    ends = [endpoint(PODS["c"][1], node=PODS["c"][0])]
    return service("last", ip=_LAST), endpoint_slice("last", ends)


def objects() -> Iterator[Object]:
    for case in CASES:
        yield from case.objects()
    yield from last_case()


@asynccontextmanager
async def kube_proxy_on(lab: Lab, folder: Path) -> AsyncIterator[None]:
    """The real one, over a real API server of ours."""
    async with running_apiserver(folder) as api, Client.from_access(api.access) as client:
        labels = {"kubernetes.io/hostname": NODE, ZONE_LABEL: ZONE}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}}
        node |= {"spec": {"podCIDR": NODES[NODE][1], "podCIDRs": [NODES[NODE][1]]}}
        await client.create(NODE_OBJECTS, node)
        addresses = [{"type": "InternalIP", "address": NODE_IP}]
        await client.patch(NODE_OBJECTS, NODE, {"status": {"addresses": addresses}}, subresource="status")
        for obj in objects():
            await create(client, obj)
        async with kube_proxy(api, lab.places[NODE], NODE, folder):
            yield


async def create(client: Client, obj: Object) -> None:
    resource = SERVICES if obj["kind"] == "Service" else ENDPOINTSLICES
    made = await client.create(resource, obj, "default")
    if obj.get("status"):
        await client.patch(
            resource, made["metadata"]["name"], {"status": obj["status"]}, "default", subresource="status"
        )


def ours_on(make: Callable[[Clients], DataPlane]) -> Callable[[Lab, Path], object]:
    @asynccontextmanager
    async def serve(lab: Lab, _folder: Path) -> AsyncIterator[None]:
        table = RoutingTable(Node(NODE, (NODE_IP, "127.0.0.1"), zone=ZONE))
        own = (NODE_IP, "127.0.0.0/8", GATEWAY, "10.96.0.0/16")
        clients = Clients(pod_cidrs=["10.244.0.0/16"], node_addresses=own, local_pod_cidrs=[NODES[NODE][1]])
        loop = LoopThread(lab.places[NODE])
        try:
            plane = loop.run(lambda: make(clients))
            loop.run(plane.start)
            for obj in objects():
                change = table.service_changed if obj["kind"] == "Service" else table.slice_changed
                loop.run(lambda change=change, obj=obj: plane.apply(change(None, obj)))
            try:
                yield
            finally:
                await asyncio.to_thread(loop.run, plane.stop)
        finally:
            loop.close()

    return serve


def userspace(clients: Clients) -> DataPlane:
    return UserspaceDataPlane(
        clients=clients, host_sockets=None, clock=SystemClock(), keep_sources=True, node_ips=(NODE_IP,)
    )


def nftables(clients: Clients) -> DataPlane:
    return NftablesDataPlane(clients=clients, node_ips=(NODE_IP,), beside=userspace(clients), clock=SystemClock())


PROXIES = {"userspace": ours_on(userspace), "nftables": ours_on(nftables)} | (
    {"kube-proxy": kube_proxy_on} if BINARY else {}
)


def ask_until(lab: Lab, cell: Ask, expected: set[str] | None) -> list[str]:
    """Everybody who answers. Asking ends when all expected answers have come."""
    seen: set[str] = set()
    seconds = _SILENCE_SECONDS if expected == {"timeout"} else _PATIENCE_SECONDS
    for turn in range(_ASKS):
        if turn > _IN_STEP:
            time.sleep(random.uniform(0, 0.02))
        who, whom = lab.ask(cell.origin, cell.ip, cell.port, protocol=cell.protocol, timeout=seconds)
        who = "timeout" if who == "unreachable" else who  # a packet that nobody takes circles between node and fabric
        seen.add(f"{who} sees {whom}" if whom else who)
        if seen == expected or not whom:
            break
    return sorted(seen)


async def ask_all(lab: Lab, recorded: Answers) -> Answers:
    """Every cell; origins at the same time, each from a thread of its own."""
    cells = [cell for case in CASES for cell in case.asks()]

    def from_origin(origin: str) -> Answers:
        mine = [cell for cell in cells if cell.origin == origin]
        random.shuffle(mine)  # so that origins seldom ask one Service at the same time
        return {
            cell.name: ask_until(lab, cell, set(recorded[cell.name]) if cell.name in recorded else None)
            for cell in mine
        }

    origins = {cell.origin for cell in cells}
    parts = await asyncio.gather(*(asyncio.to_thread(from_origin, each) for each in origins), return_exceptions=True)
    return {name: answer for part in parts for name, answer in _unless_failed(part).items()}


def _unless_failed(part: Answers | BaseException) -> Answers:
    if isinstance(part, BaseException):
        raise part
    return part


async def until_programmed(lab: Lab) -> None:
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(lab.ask, "a", _LAST, 80, timeout=0.3))[0] != "c":
            pass  # a proxy says nowhere that it has programmed its rules: only asking shows it


@pytest.mark.parametrize("proxy", PROXIES)
async def test_answers_are_kube_proxys(proxy: str, lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    recording = request.config.getoption("--record-kube-proxy", default=False) and proxy == "kube-proxy"
    recorded: Answers = {} if recording else json.loads(RECORD.read_text())
    async with PROXIES[proxy](lab, tmp_path):
        await until_programmed(lab)
        found = await ask_all(lab, recorded)
    if recording:
        RECORD.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
        return
    assert {name: answer for name, answer in found.items() if answer != recorded.get(name)} == {}
