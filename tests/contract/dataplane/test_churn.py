"""A day of churn, a change every six minutes: every Service changes its kind, policies, families and endpoints, comes
and goes, is visited. Then nothing of it is in the kernel, and no socket is open that was not before.

What passes of the kernel's own time (flows, affinity) is shown by tests/contract/dataplane/test_traffic.py; what the
userspace plane remembers over a day of its clock, by its unit tests.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.layout import SETS
from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.linux.netlink import Netlink
from minikube_py.linux.rtmessages import attributes, text
from tests.support.asking import Question, ask_all
from tests.support.netlab import NODES, PODS, PODS6, SERVER_PORT, Lab
from tests.support.nodeplane import PLANES, NodePlane
from tests.support.services import endpoint, endpoint_slice, port, service

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root (or unshare -Ur)")]

_CHANGES = 240
_VISITS_EVERY = 40
NAMES = tuple(f"s{number}" for number in range(6))
#: What holds the pods' and the node's own addresses stays as long as the plane.
_OF_SERVICES = sorted(set(SETS) - {"pods", "local-pods", "own"})


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield built


@pytest.fixture(params=PLANES)
def plane(lab: Lab, request: pytest.FixtureRequest) -> Iterator[NodePlane]:
    running = NodePlane(lab, PLANES[request.param])
    try:
        yield running
    finally:
        running.close()


def test_a_day_of_churn_leaves_nothing(lab: Lab, plane: NodePlane) -> None:
    rng = random.Random(3)
    before = _descriptors()
    for step in range(_CHANGES):
        name = rng.choice(NAMES)
        plane.put(_objects(rng, name))
        if step % 3 == 0:
            plane.remove(service(name))
        if step % _VISITS_EVERY == 0:
            ask_all(lab, _visits())
        assert plane.run(plane.plane.problems) == {}
    for name in NAMES:
        plane.put([_slice(name, family, []) for family in ("IPv4", "IPv6")])
        plane.remove(service(name))
    assert plane.run(leftovers) == []
    assert plane.run(plane.plane.load) == {}
    plane.put([])  # a plane looks after its draining connections with every change
    assert _descriptors() == before


def leftovers() -> list[str]:
    """What the kernel holds for Services in this namespace: elements of maps and sets, their chains, routing rules."""
    found = []
    with closing(Netfilter()) as netfilter, Netlink() as netlink:
        for family in (nf.IPV4, nf.IPV6):
            for table, name in (*(("minik", each) for each in _OF_SERVICES), ("minik-refused", "addresses")):
                with suppress(FileNotFoundError):
                    bodies = netfilter.dump(nf.GET_ELEMENT, family, text(1, table), text(2, name))
                    found += [f"{table} {name}" for body in bodies if attributes(body).get(3)]
            chains = [attributes(body).get(3, b"").decode() for body in netfilter.dump(4, family)]
            found += [each for each in chains if "affinity" in each or "ranges" in each]
            rules = netlink.rules(ipv6=family == nf.IPV6)
            found += [f"rule {rule.priority}" for rule in rules if rule.priority == 1232]
    return found


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _objects(rng: random.Random, name: str) -> list[Object]:
    number = NAMES.index(name) + 1
    kind = rng.choice(["ClusterIP", "NodePort", "LoadBalancer"])
    node_port = 30100 + number if kind != "ClusterIP" else 0
    families = rng.choice([("IPv4",), ("IPv6",), ("IPv4", "IPv6")])
    ips = [f"10.96.1.{number}" if family == "IPv4" else f"fd00:96::1{number}" for family in families]
    spec: dict[str, Any] = {"type": kind, "ip": ips[0], "clusterIPs": ips}
    spec["ports"] = [port(80, protocol=rng.choice(["TCP", "UDP"]), node_port=node_port)]
    spec["sessionAffinity"] = rng.choice(["None", "ClientIP"])
    spec["internalTrafficPolicy"] = rng.choice(["Local", "Cluster"])
    if kind != "ClusterIP":
        spec["externalTrafficPolicy"] = rng.choice(["Local", "Cluster"])
    if kind == "LoadBalancer":
        foreign = {"IPv4": f"203.0.113.{number}", "IPv6": f"fd00:203::{number}"}
        spec["ingress"] = [{"ip": foreign[family]} for family in families]
        spec["loadBalancerSourceRanges"] = rng.choice([[], ["198.51.100.0/24", "fd00:51::/64"], ["10.0.0.0/8"]])
    pods = rng.sample(sorted(PODS), rng.randint(0, 3))
    return [service(name, **spec), *(_slice(name, family, pods) for family in families)]


def _slice(name: str, family: str, pods: list[str]) -> Object:
    ips = {pod: PODS6[pod] if family == "IPv6" else PODS[pod][1] for pod in pods}
    ends = [endpoint(ips[pod], node=PODS[pod][0]) for pod in pods]
    ports = [{"name": "", "protocol": kind, "port": SERVER_PORT} for kind in ("TCP", "UDP")]
    return endpoint_slice(name, ends, name=f"{name}-{family}".lower(), ports=ports, family=family)


def _visits() -> list[Question]:
    """Somebody at every address. Nobody waits long: some are dropped, and right so."""
    node = NODES["node-1"][0]
    places = [("a", f"10.96.1.{n}", 80) for n in range(1, len(NAMES) + 1)]
    places += [("world", f"203.0.113.{n}", 80) for n in range(1, len(NAMES) + 1)]
    places += [("world", node, 30100 + n) for n in range(1, len(NAMES) + 1)]
    return [Question(*place, protocol, silent=True) for place in places for protocol in ("TCP", "UDP")]
