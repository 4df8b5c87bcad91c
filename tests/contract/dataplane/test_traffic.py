"""What every data plane must do for real packets: who answers, and whose address is seen.

The expected cells are Kubernetes' documentation of virtual IPs and of the Service API, as kube-proxy carries it out.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.proxy.table.table import RoutingTable
from agent.proxy.table.views import Node
from minikube_py.aio.clock import SystemClock
from minikube_py.api.types import Object
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.model import Frontend
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.build import NftablesDataPlane
from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.linux.netlink import Netlink
from minikube_py.linux.rtmessages import attributes, text
from tests.support.netlab import (
    GATEWAY,
    GATEWAY6,
    NODES,
    NODES6,
    PODS,
    PODS6,
    SERVER_PORT,
    WORLD,
    WORLD6,
    Lab,
    LoopThread,
)
from tests.support.services import endpoint, endpoint_slice, port, service

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root (or unshare -Ur)")]

NODE_IP = NODES["node-1"][0]
NODE_IPS = (NODE_IP, NODES6["node-1"][0])
VIP, VIP6 = "10.96.0.50", "fd00:96::50"
NODE_PORT = 30007


def userspace(clients: Clients) -> DataPlane:
    return UserspaceDataPlane(
        clients=clients, host_sockets=None, clock=SystemClock(), keep_sources=True, node_ips=NODE_IPS
    )


def nftables(clients: Clients) -> DataPlane:
    return NftablesDataPlane(clients=clients, node_ips=NODE_IPS, beside=userspace(clients))


PLANES: dict[str, Callable[[Clients], DataPlane]] = {"userspace": userspace, "nftables": nftables}


class Rig:
    """A data plane on node-1, driven through the routing table."""

    def __init__(self, lab: Lab, loop: LoopThread, make: Callable[[Clients], DataPlane]) -> None:
        self.lab, self._loop = lab, loop
        own = (*NODE_IPS, "127.0.0.0/8", GATEWAY, GATEWAY6, "10.96.0.0/16", "fd00:96::/112")
        self.plane: DataPlane = loop.run(
            lambda: make(Clients(pod_cidrs=["10.244.0.0/16", "fd00:10::/56"], node_addresses=own))
        )
        self._table = RoutingTable(Node("node-1", (*NODE_IPS, "127.0.0.1")))
        loop.run(self.plane.start)

    def put(self, *objects: Object) -> None:
        for obj in objects:
            change = self._table.service_changed if obj["kind"] == "Service" else self._table.slice_changed
            self._loop.run(lambda change=change, obj=obj: self.plane.apply(change(None, obj)))

    def remove(self, obj: Object) -> None:
        self._loop.run(lambda: self.plane.apply(self._table.service_changed(obj, None)))

    def ask(self, origin: str, ip: str = VIP, number: int = 80, **options: Any) -> tuple[str, str]:
        return self.lab.ask(origin, ip, number, **options)

    def problems(self) -> dict[Frontend, str]:
        return self._loop.run(self.plane.problems)  # type: ignore[no-any-return]

    def leftovers(self) -> list[str]:
        """What the kernel still holds for Services that are gone."""
        return self._loop.run(leftovers)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._loop.run(self.plane.stop)


def leftovers() -> list[str]:
    """Elements of the nftables plane's maps, chains of single Services, and routing rules for foreign addresses."""
    found = []
    with contextlib.closing(Netfilter()) as netfilter, Netlink() as netlink:
        for name in ("services", "endpoints", "locals", "hairpins"):
            with contextlib.suppress(FileNotFoundError):
                bodies = netfilter.dump(nf.GET_ELEMENT, nf.IPV4, text(1, "minik"), text(2, name))
                found += [name for body in bodies if attributes(body).get(3)]
        chains = [attributes(body).get(3, b"").decode() for body in netfilter.dump(4, nf.IPV4)]
        found += [each for each in chains if "affinity" in each or "ranges" in each]
        found += [f"rule {rule.priority}" for rule in netlink.rules() if rule.priority == 1232]
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield built


@pytest.fixture(params=PLANES)
def rig(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Rig]:
    loop = LoopThread(lab.places["node-1"])
    try:
        rig = Rig(lab, loop, PLANES[request.param])
        try:
            yield rig
        finally:
            rig.close()
    finally:
        loop.close()


def pods(*names: str, protocol: str = "TCP", **conditions: Any) -> Object:
    ends = [endpoint(PODS[name][1], node=PODS[name][0], **conditions) for name in names]
    return endpoint_slice("web", ends, ports=[{"name": "", "protocol": protocol, "port": SERVER_PORT}])


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("pod", ["b", "c"])
def test_cluster_ip_from_a_pod_keeps_its_address(rig: Rig, protocol: str, pod: str) -> None:
    rig.put(service("web", ports=[port(80, protocol=protocol)]), pods(pod, protocol=protocol))
    assert rig.ask("a", protocol=protocol) == (pod, PODS["a"][1])


def test_cluster_ip_from_the_node_and_from_outside_is_masqueraded(rig: Rig) -> None:
    rig.put(service("web"), pods("c"))
    assert rig.ask("node-1") == ("c", NODE_IP)


def test_hairpin(rig: Rig) -> None:
    rig.put(service("web"), pods("a"))
    name, seen = rig.ask("a")
    assert name == "a"
    assert seen != PODS["a"][1]


def test_traffic_is_spread_over_all_endpoints(rig: Rig) -> None:
    rig.put(service("web"), pods("b", "c"))
    assert {rig.ask("a")[0] for _ in range(24)} == {"b", "c"}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_no_endpoints_refuses(rig: Rig, protocol: str) -> None:
    rig.put(service("web", ports=[port(80, protocol=protocol)]))
    assert rig.ask("a", protocol=protocol)[0] == "refused"
    assert rig.ask("node-1", protocol=protocol)[0] == "refused"


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_internal_local_without_an_endpoint_here_drops(rig: Rig, protocol: str) -> None:
    web = service("web", internalTrafficPolicy="Local", ports=[port(80, protocol=protocol)])
    rig.put(web, pods("c", protocol=protocol))
    assert rig.ask("a", protocol=protocol)[0] == "timeout"
    rig.put(pods("b", "c", protocol=protocol))
    assert {rig.ask("a", protocol=protocol)[0] for _ in range(8)} == {"b"}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_node_port_cluster_masquerades(rig: Rig, protocol: str) -> None:
    spec = {"type": "NodePort", "ports": [port(80, protocol=protocol, node_port=NODE_PORT)]}
    rig.put(service("web", **spec), pods("c", protocol=protocol))
    for origin in ("world", "a", "node-1", "node-2"):
        assert rig.ask(origin, NODE_IP, NODE_PORT, protocol=protocol) == ("c", NODE_IP), origin


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_node_port_local_keeps_the_client_and_stays_here(rig: Rig, protocol: str) -> None:
    spec = {
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "ports": [port(80, protocol=protocol, node_port=NODE_PORT)],
    }
    rig.put(service("web", **spec), pods("b", "c", protocol=protocol))
    answers = {rig.ask("world", NODE_IP, NODE_PORT, protocol=protocol) for _ in range(8)}
    assert answers == {("b", WORLD)}
    assert {rig.ask("a", NODE_IP, NODE_PORT, protocol=protocol) for _ in range(16)} == {
        ("b", PODS["a"][1]),
        ("c", PODS["a"][1]),
    }
    rig.put(pods("c", protocol=protocol))
    assert rig.ask("world", NODE_IP, NODE_PORT, protocol=protocol)[0] == "timeout"
    assert rig.ask("a", NODE_IP, NODE_PORT, protocol=protocol) == ("c", PODS["a"][1])
    assert rig.ask("node-1", NODE_IP, NODE_PORT, protocol=protocol) == ("c", NODE_IP)


def test_node_port_without_endpoints_refuses(rig: Rig) -> None:
    rig.put(service("web", type="NodePort", ports=[port(80, node_port=NODE_PORT)]))
    assert rig.ask("world", NODE_IP, NODE_PORT)[0] == "refused"


def test_node_port_on_the_nodes_loopback(rig: Rig) -> None:
    rig.put(service("web", type="NodePort", ports=[port(80, node_port=NODE_PORT)]), pods("c"))
    assert rig.ask("node-1", "127.0.0.1", NODE_PORT) == ("c", NODE_IP)


@pytest.mark.parametrize("kind", ["external", "balancer"])
def test_external_addresses_are_short_circuited(rig: Rig, kind: str) -> None:
    address = "203.0.113.7"
    spec: dict[str, Any] = {"externalIPs": [address]}
    if kind == "balancer":
        spec = {"type": "LoadBalancer", "ingress": [{"ip": address}]}
    with rig.lab.places["fabric"].netlink() as net:
        net.route_add(address + "/32", via=NODE_IP, dev="n0", onlink=True, replace=True)
    rig.put(service("web", **spec), pods("c"))
    for origin in ("a", "world", "node-1"):
        assert rig.ask(origin, address) == ("c", NODE_IP), origin
    rig.put(pods("c", ready=False))
    assert rig.ask("a", address)[0] == "refused"
    rig.put(pods("c"))
    assert rig.ask("a", address)[0] == "c"
    rig.remove(service("web"))
    assert rig.ask("a", address)[0] != "c"


def test_source_ranges_drop_everybody_else(rig: Rig) -> None:
    address = "203.0.113.7"
    with rig.lab.places["fabric"].netlink() as net:
        net.route_add(address + "/32", via=NODE_IP, dev="n0", onlink=True, replace=True)
    spec = {"type": "LoadBalancer", "ingress": [{"ip": address}]}
    rig.put(service("web", loadBalancerSourceRanges=["198.51.100.0/24"], **spec), pods("c"))
    assert rig.ask("world", address)[0] == "c"
    assert rig.ask("a", address)[0] == "timeout"
    rig.put(service("web", loadBalancerSourceRanges=["10.244.0.0/24"], **spec))
    assert rig.ask("world", address)[0] == "timeout"
    assert rig.ask("a", address)[0] == "c"


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_client_ip_affinity(rig: Rig, protocol: str) -> None:
    config = {"clientIP": {"timeoutSeconds": 2}}
    web = service("web", ports=[port(80, protocol=protocol)], sessionAffinity="ClientIP", sessionAffinityConfig=config)
    rig.put(web, pods("b", "c", protocol=protocol))
    first = rig.ask("a", protocol=protocol)[0]
    assert {rig.ask("a", protocol=protocol)[0] for _ in range(12)} == {first}
    other = "c" if first == "b" else "b"
    rig.put(pods(other, protocol=protocol))
    assert rig.ask("a", protocol=protocol)[0] == other
    rig.put(pods("b", "c", protocol=protocol))
    assert rig.ask("a", protocol=protocol)[0] == other
    seen = set()
    for _ in range(8):
        time.sleep(2.1)  # the affinity itself is what passes here
        seen.add(rig.ask("a", protocol=protocol)[0])
        if len(seen) == 2:
            return
    pytest.fail(f"affinity never expires: {seen}")


def test_established_connections_drain_and_new_ones_go_elsewhere(rig: Rig) -> None:
    rig.put(service("web"), pods("b"))
    with rig.lab.connect("a", VIP, 80) as old:
        rig.put(pods("c"))
        assert {rig.ask("a")[0] for _ in range(6)} == {"c"}
        old.sendall(b"still here")
        assert old.recv(100) == b"still here"


def test_udp_clients_move_when_their_endpoint_goes(rig: Rig) -> None:
    rig.put(service("web", ports=[port(80, protocol="UDP")]), pods("b", protocol="UDP"))
    with rig.lab.places["a"].run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(1)
        client.connect((VIP, 80))
        client.send(b"x")
        assert client.recv(100).startswith(b"b ")
        rig.put(pods("c", protocol="UDP"))
        client.send(b"x")
        assert client.recv(100).startswith(b"c ")


def test_udp_clients_are_told_when_the_endpoint_refuses(rig: Rig) -> None:
    ends = [endpoint(PODS["c"][1], node="node-2")]
    silent = [{"name": "", "protocol": "UDP", "port": 9999}]
    rig.put(service("web", ports=[port(80, protocol="UDP")]), endpoint_slice("web", ends, ports=silent))
    assert rig.ask("a", protocol="UDP")[0] == "refused"


def test_udp_clients_that_came_too_early_are_served_later(rig: Rig) -> None:
    rig.put(service("web", ports=[port(80, protocol="UDP")]))
    with rig.lab.places["a"].run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(1)
        client.connect((VIP, 80))
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
        rig.put(pods("c", protocol="UDP"))
        client.send(b"x")
        assert client.recv(100).startswith(b"c ")


def test_nothing_is_left_when_the_service_goes(rig: Rig) -> None:
    web = service("web", type="NodePort", ports=[port(80, node_port=NODE_PORT)])
    rig.put(web, pods("b"))
    assert rig.ask("a")[0] == "b"
    rig.remove(web)
    assert rig.ask("a")[0] == "refused"
    assert rig.ask("world", NODE_IP, NODE_PORT)[0] == "refused"


def test_a_long_churn_leaves_no_element_chain_or_number(rig: Rig) -> None:
    rng = random.Random(3)
    names = [f"s{n}" for n in range(6)]
    for step in range(300):
        name = rng.choice(names)
        spec: dict[str, Any] = {"ip": f"10.96.1.{names.index(name) + 1}", "type": "LoadBalancer"}
        spec["ports"] = [port(80, protocol=rng.choice(["TCP", "UDP"]), node_port=30100 + names.index(name))]
        spec["ingress"] = [{"ip": f"203.0.113.{names.index(name) + 1}"}]
        spec["sessionAffinity"] = rng.choice(["None", "ClientIP"])
        spec["externalTrafficPolicy"] = rng.choice(["Local", "Cluster"])
        spec["loadBalancerSourceRanges"] = rng.choice([[], ["198.51.100.0/24"], ["10.0.0.0/8"]])
        web = service(name, **spec)
        ends = [endpoint(PODS[each][1], node=PODS[each][0]) for each in rng.sample(sorted(PODS), rng.randint(0, 3))]
        kinds = [{"name": "", "protocol": kind, "port": SERVER_PORT} for kind in ("TCP", "UDP")]
        rig.put(web, endpoint_slice(name, ends, ports=kinds))
        if step % 3 == 0:
            rig.remove(web)
        assert not rig.problems()
    for name in names:
        rig.remove(service(name))
    assert rig.leftovers() == []


def pods6(*names: str, protocol: str) -> Object:
    ends = [endpoint(PODS6[name], node=PODS[name][0]) for name in names]
    ports = [{"name": "", "protocol": protocol, "port": SERVER_PORT}]
    return endpoint_slice("web", ends, name="web-6", ports=ports, family="IPv6")


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_the_same_in_ipv6(rig: Rig, protocol: str) -> None:
    spec = {"type": "NodePort", "clusterIPs": [VIP, VIP6], "ports": [port(80, protocol=protocol, node_port=NODE_PORT)]}
    rig.put(service("web", **spec), pods("b", protocol=protocol), pods6("c", protocol=protocol))
    node = NODE_IPS[1]
    assert rig.ask("a", VIP6, protocol=protocol) == ("c", PODS6["a"])
    assert rig.ask("a", VIP, protocol=protocol) == ("b", PODS["a"][1])
    assert rig.ask("node-1", VIP6, protocol=protocol) == ("c", node)
    assert rig.ask("world", node, NODE_PORT, protocol=protocol) == ("c", node)
    rig.put(service("web", **spec, externalTrafficPolicy="Local"))
    assert rig.ask("world", node, NODE_PORT, protocol=protocol)[0] == "timeout"
    rig.put(pods6("b", protocol=protocol))
    assert rig.ask("world", node, NODE_PORT, protocol=protocol) == ("b", WORLD6)
    rig.put(pods6("a", protocol=protocol))
    assert rig.ask("a", VIP6, protocol=protocol)[0] == "a"
    rig.put(pods6(protocol=protocol))
    assert rig.ask("a", VIP6, protocol=protocol)[0] == "refused"


def test_a_stopped_plane_leaves_the_namespace_as_it_was(lab: Lab) -> None:
    loop = LoopThread(lab.places["node-1"])

    def state() -> tuple[object, ...]:
        with Netlink() as netlink, contextlib.closing(Netfilter()) as netfilter:
            routes = [netlink.routes(ipv6=six) for six in (False, True)]
            rules = [netlink.rules(ipv6=six) for six in (False, True)]
            tables = [netfilter.dump(1, family) for family in (nf.INET, nf.IPV4, nf.IPV6)]
            return routes, rules, tables

    try:
        before = loop.run(state)
        for make in PLANES.values():
            rig = Rig(lab, loop, make)
            rig.put(service("web", externalIPs=["203.0.113.7"]), pods("b"))
            rig.close()
            assert loop.run(state) == before
    finally:
        loop.close()


def test_an_agent_that_comes_back_takes_over_from_what_it_left(lab: Lab) -> None:
    """The nftables plane of a killed agent serves until its successor knows the table."""
    loop = LoopThread(lab.places["node-1"])
    try:
        killed = Rig(lab, loop, nftables)
        killed.put(service("web"), pods("b"))
        successor = Rig(lab, loop, nftables)
        assert killed.ask("a")[0] == "b"
        successor.put(service("web"), pods("c"))
        assert {successor.ask("a")[0] for _ in range(4)} == {"c"}
        successor.close()
        loop.run(killed.plane._netfilter.close)  # type: ignore[attr-defined]
        loop.run(killed.plane._beside.stop)  # type: ignore[attr-defined]
    finally:
        loop.close()
