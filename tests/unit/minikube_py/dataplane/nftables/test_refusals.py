"""What becomes of the nftables plane when the kernel refuses: nothing is thought to be there that is not."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from minikube_py.aio.clock import FakeClock
from minikube_py.api.types import ObjectKey
from minikube_py.dataplane.model import (
    Backends,
    Changes,
    Endpoint,
    Frontend,
    KeepSource,
    Kind,
    PortKey,
    Route,
    Scope,
    Verdict,
)
from minikube_py.dataplane.nftables import build
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.netfilter import Transaction
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.linux.rtmessages import attributes

NODE = "192.168.230.11"


class Kernel:
    """Takes transactions while ``willing``; knows the chains and the number of elements it has been given."""

    def __init__(self) -> None:
        self.refusals = 0
        self.chains: set[str] = set()
        self.transactions = 0

    def commit(self, transaction: Transaction) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.ENOMEM, "netfilter: no memory")
        self.transactions += 1
        for kind, _, _, body in transaction.requests:
            attrs = attributes(b"".join(body))
            if kind == nf.DELETE_TABLE:
                self.chains.clear()
            elif kind == nf.NEW_CHAIN:
                self.chains.add(attrs[3].rstrip(b"\0").decode())

    def dump(self, *_: Any, **__: Any) -> list[bytes]:
        return []

    def close(self) -> None:
        pass


class Beside:
    """A plane that carries nothing."""

    name = "userspace"

    def start(self) -> None:
        pass

    def apply(self, changes: Changes) -> None:
        pass

    def problems(self) -> dict[Frontend, str]:
        return {}

    def load(self) -> dict[Frontend, int]:
        return {}

    async def stop(self) -> None:
        pass


class Node:
    """A plane over a kernel that can be made to refuse."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.clock = FakeClock()
        clients = Clients(pod_cidrs=["10.244.0.0/16"], node_addresses=["127.0.0.0/8"])
        self.plane = build.NftablesDataPlane(clients=clients, node_ips=(NODE,), beside=Beside(), clock=self.clock)
        self.plane.start()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    kernels: list[Kernel] = []
    monkeypatch.setattr(build, "Netfilter", lambda: kernels[0])
    monkeypatch.setattr("minikube_py.dataplane.userspace.leftovers.clear", lambda _: None)
    kernels.append(Kernel())
    made = Node()
    made.kernel = kernels[0]
    return made


def route(number: int, endpoints: int) -> Changes:
    frontend = Frontend(Scope.NODE, f"10.96.0.{number}", 80, "TCP")
    backends = Backends(Verdict.FORWARD, tuple(Endpoint(f"10.244.0.{each + 2}", 8080) for each in range(endpoints)))
    port = PortKey(ObjectKey("default", f"s{number}"), "", "TCP")
    return {frontend: Route(frontend, Kind.CLUSTER_IP, port, backends, backends, KeepSource.PODS)}


def test_the_table_and_its_routes_come_in_one_step(node: Node) -> None:
    """Whoever connects while an agent comes back finds the old table or the new one, never an empty one."""
    before = node.kernel.transactions
    node.plane.apply(route(1, 3))
    assert node.kernel.transactions == before + 1
    assert "c3" in node.kernel.chains


def test_after_a_refusal_everything_is_installed_anew(node: Node) -> None:
    node.plane.apply(route(1, 3))
    node.kernel.refusals = 1
    node.plane.apply(route(2, 5))
    assert {"c3", "c5"} <= node.kernel.chains
    assert node.plane.problems() == {}


async def test_what_is_refused_twice_is_a_problem_until_the_kernel_takes_it(node: Node) -> None:
    node.plane.apply(route(1, 3))
    node.kernel.refusals = 3
    node.plane.apply(route(2, 5))
    assert set(node.plane.problems().values()) == {"[Errno 12] netfilter: no memory"}
    node.plane.apply(route(3, 7))  # in the meantime
    await node.clock.advance(build.RETRY_SECONDS)
    assert len(node.plane.problems()) == 3  # and refused once more
    await node.clock.advance(build.RETRY_SECONDS)
    assert {"c3", "c5", "c7"} <= node.kernel.chains
    assert node.plane.problems() == {}


async def test_a_plane_that_stops_asks_no_more(node: Node) -> None:
    node.kernel.refusals = 2
    node.plane.apply(route(1, 3))
    await node.plane.stop()
    before = node.kernel.transactions
    await node.clock.advance(build.RETRY_SECONDS)
    assert node.kernel.transactions == before
