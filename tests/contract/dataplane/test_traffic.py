"""What every data plane must do for real packets: who answers, and whose address is seen.

The expected cells are Kubernetes' documentation of virtual IPs and of the Service API, as kube-proxy carries it out.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from minikube_py.api.types import Object
from minikube_py.dataplane.model import Frontend
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.linux.namespaces import CLONE_NEWNET, setns
from minikube_py.linux.netlink import Netlink
from tests.support.minik import ROOT
from tests.support.netlab import (
    NODES,
    NODES6,
    PODS,
    PODS6,
    SERVER_PORT,
    WORLD,
    WORLD6,
    Lab,
)
from tests.support.nodeplane import PLANES, NodePlane
from tests.support.services import endpoint, endpoint_slice, port, service

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root (or unshare -Ur)")]

NODE_IP = NODES["node-1"][0]
NODE_IPS = (NODE_IP, NODES6["node-1"][0])
VIP, VIP6 = "10.96.0.50", "fd00:96::50"
NODE_PORT = 30007
FOREIGN = "203.0.113.7"


class Rig(NodePlane):
    """A data plane on node-1, asked from everywhere."""

    def change(self, *objects: Object) -> None:
        for obj in objects:
            self.put([obj])

    def ask(self, origin: str, ip: str = VIP, number: int = 80, **options: Any) -> tuple[str, str]:
        """Who is to be answered waits for as long as a busy machine takes."""
        return self.lab.ask(origin, ip, number, **{"timeout": 20.0, **options})

    def is_silent(self, origin: str, ip: str = VIP, number: int = 80, **options: Any) -> bool:
        """Whether a client hears nothing for a while."""
        return self.ask(origin, ip, number, timeout=1.0, **options)[0] == "timeout"

    def problems(self) -> dict[Frontend, str]:
        return self.run(self.plane.problems)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield built


@pytest.fixture(params=PLANES)
def rig(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig(lab, PLANES[request.param])
    try:
        yield rig
    finally:
        rig.close()


def pods(*names: str, protocol: str = "TCP", **conditions: Any) -> Object:
    ends = [endpoint(PODS[name][1], node=PODS[name][0], **conditions) for name in names]
    return endpoint_slice("web", ends, ports=[{"name": "", "protocol": protocol, "port": SERVER_PORT}])


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("pod", ["b", "c"])
def test_cluster_ip_from_a_pod_keeps_its_address(rig: Rig, protocol: str, pod: str) -> None:
    rig.change(service("web", ports=[port(80, protocol=protocol)]), pods(pod, protocol=protocol))
    assert rig.ask("a", protocol=protocol) == (pod, PODS["a"][1])


def test_cluster_ip_from_the_node_and_from_outside_is_masqueraded(rig: Rig) -> None:
    rig.change(service("web"), pods("c"))
    assert rig.ask("node-1") == ("c", NODE_IP)


def test_hairpin(rig: Rig) -> None:
    rig.change(service("web"), pods("a"))
    name, seen = rig.ask("a")
    assert name == "a"
    assert seen != PODS["a"][1]


def test_traffic_is_spread_over_all_endpoints(rig: Rig) -> None:
    rig.change(service("web"), pods("b", "c"))
    assert {rig.ask("a")[0] for _ in range(24)} == {"b", "c"}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_no_endpoints_refuses(rig: Rig, protocol: str) -> None:
    rig.change(service("web", ports=[port(80, protocol=protocol)]))
    assert rig.ask("a", protocol=protocol)[0] == "refused"
    assert rig.ask("node-1", protocol=protocol)[0] == "refused"


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_internal_local_without_an_endpoint_here_drops(rig: Rig, protocol: str) -> None:
    web = service("web", internalTrafficPolicy="Local", ports=[port(80, protocol=protocol)])
    rig.change(web, pods("c", protocol=protocol))
    assert rig.is_silent("a", protocol=protocol)
    rig.change(pods("b", "c", protocol=protocol))
    assert {rig.ask("a", protocol=protocol)[0] for _ in range(8)} == {"b"}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_node_port_cluster_masquerades(rig: Rig, protocol: str) -> None:
    spec = {"type": "NodePort", "ports": [port(80, protocol=protocol, node_port=NODE_PORT)]}
    rig.change(service("web", **spec), pods("c", protocol=protocol))
    for origin in ("world", "a", "node-1", "node-2"):
        assert rig.ask(origin, NODE_IP, NODE_PORT, protocol=protocol) == ("c", NODE_IP), origin


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_node_port_local_keeps_the_client_and_stays_here(rig: Rig, protocol: str) -> None:
    spec = {
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "ports": [port(80, protocol=protocol, node_port=NODE_PORT)],
    }
    rig.change(service("web", **spec), pods("b", "c", protocol=protocol))
    answers = {rig.ask("world", NODE_IP, NODE_PORT, protocol=protocol) for _ in range(8)}
    assert answers == {("b", WORLD)}
    assert {rig.ask("a", NODE_IP, NODE_PORT, protocol=protocol) for _ in range(16)} == {
        ("b", PODS["a"][1]),
        ("c", PODS["a"][1]),
    }
    rig.change(pods("c", protocol=protocol))
    assert rig.is_silent("world", NODE_IP, NODE_PORT, protocol=protocol)
    assert rig.ask("a", NODE_IP, NODE_PORT, protocol=protocol) == ("c", PODS["a"][1])
    assert rig.ask("node-1", NODE_IP, NODE_PORT, protocol=protocol) == ("c", NODE_IP)


def test_node_port_without_endpoints_refuses(rig: Rig) -> None:
    rig.change(service("web", type="NodePort", ports=[port(80, node_port=NODE_PORT)]))
    assert rig.ask("world", NODE_IP, NODE_PORT)[0] == "refused"


def test_node_port_on_the_nodes_loopback(rig: Rig) -> None:
    rig.change(service("web", type="NodePort", ports=[port(80, node_port=NODE_PORT)]), pods("c"))
    assert rig.ask("node-1", "127.0.0.1", NODE_PORT) == ("c", NODE_IP)


@pytest.mark.parametrize("kind", ["external", "balancer"])
def test_external_addresses_are_short_circuited(rig: Rig, kind: str) -> None:
    address = FOREIGN
    spec: dict[str, Any] = {"externalIPs": [address]}
    if kind == "balancer":
        spec = {"type": "LoadBalancer", "ingress": [{"ip": address}]}
    rig.change(service("web", **spec), pods("c"))
    for origin in ("a", "world", "node-1"):
        assert rig.ask(origin, address) == ("c", NODE_IP), origin
    rig.change(pods("c", ready=False))
    assert rig.ask("a", address)[0] == "refused"
    rig.change(pods("c"))
    assert rig.ask("a", address)[0] == "c"
    rig.remove(service("web"))
    assert rig.ask("a", address)[0] != "c"


def test_source_ranges_drop_everybody_else(rig: Rig) -> None:
    address = FOREIGN
    spec = {"type": "LoadBalancer", "ingress": [{"ip": address}]}
    rig.change(service("web", loadBalancerSourceRanges=["198.51.100.0/24"], **spec), pods("c"))
    assert rig.ask("world", address)[0] == "c"
    assert rig.is_silent("a", address)
    rig.change(service("web", loadBalancerSourceRanges=["10.244.0.0/24"], **spec))
    assert rig.is_silent("world", address)
    assert rig.ask("a", address)[0] == "c"


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_client_ip_affinity(rig: Rig, protocol: str) -> None:
    web = service("web", ports=[port(80, protocol=protocol)], sessionAffinity="ClientIP")
    rig.change(web, pods("b", "c", protocol=protocol))
    first = rig.ask("a", protocol=protocol)[0]
    assert {rig.ask("a", protocol=protocol)[0] for _ in range(12)} == {first}
    other = "c" if first == "b" else "b"
    rig.change(pods(other, protocol=protocol))
    assert rig.ask("a", protocol=protocol)[0] == other
    rig.change(pods("b", "c", protocol=protocol))
    assert rig.ask("a", protocol=protocol)[0] == other


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_client_ip_affinity_expires(rig: Rig, protocol: str) -> None:
    config = {"clientIP": {"timeoutSeconds": 1}}
    ports = [port(80, protocol=protocol)]
    rig.change(service("web", ports=ports, sessionAffinity="ClientIP", sessionAffinityConfig=config))
    rig.change(pods("b", "c", protocol=protocol))
    seen = set()
    for _ in range(24):
        seen.add(rig.ask("a", protocol=protocol)[0])
        if seen >= {"b", "c"}:
            return
        time.sleep(1.1)  # the affinity itself is what passes here
    pytest.fail(f"affinity never expires: {seen}")


def test_established_connections_drain_and_new_ones_go_elsewhere(rig: Rig) -> None:
    rig.change(service("web"), pods("b"))
    with rig.lab.connect("a", VIP, 80) as old:
        rig.change(pods("c"))
        assert {rig.ask("a")[0] for _ in range(6)} == {"c"}
        old.sendall(b"still here")
        assert old.recv(100) == b"still here"


def test_udp_clients_move_when_their_endpoint_goes(rig: Rig) -> None:
    rig.change(service("web", ports=[port(80, protocol="UDP")]), pods("b", protocol="UDP"))
    with rig.lab.places["a"].run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(1)
        client.connect((VIP, 80))
        client.send(b"x")
        assert client.recv(100).startswith(b"b ")
        rig.change(pods("c", protocol="UDP"))
        client.send(b"x")
        assert client.recv(100).startswith(b"c ")


@pytest.mark.parametrize("size", [1400, 1500, 4000, 60_000])
def test_datagrams_in_fragments_go_both_ways(rig: Rig, size: int) -> None:
    """As upstream's e2e "should be able to handle large requests: udp"."""
    number = 8081
    ends, ports = [endpoint(PODS["c"][1], node="node-2")], [{"name": "", "protocol": "UDP", "port": number}]
    rig.change(service("web", ports=[port(80, protocol="UDP")]), endpoint_slice("web", ends, ports=ports))

    def socket_in(pod: str) -> socket.socket:
        made = rig.lab.places[pod].run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.settimeout(10)
        return made

    with socket_in("c") as server, socket_in("a") as client:
        server.bind((PODS["c"][1], number))
        client.connect((VIP, 80))
        client.send(bytes(size))
        data, peer = server.recvfrom(1 << 16)
        assert (len(data), peer[0]) == (size, PODS["a"][1])
        server.sendto(data, peer)
        assert len(client.recv(1 << 16)) == size


def test_udp_clients_are_told_when_the_endpoint_refuses(rig: Rig) -> None:
    ends = [endpoint(PODS["c"][1], node="node-2")]
    silent = [{"name": "", "protocol": "UDP", "port": 9999}]
    rig.change(service("web", ports=[port(80, protocol="UDP")]), endpoint_slice("web", ends, ports=silent))
    assert rig.ask("a", protocol="UDP")[0] == "refused"


def test_udp_clients_that_came_too_early_are_served_later(rig: Rig) -> None:
    rig.change(service("web", ports=[port(80, protocol="UDP")]))
    with rig.lab.places["a"].run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(1)
        client.connect((VIP, 80))
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
        rig.change(pods("c", protocol="UDP"))
        client.send(b"x")
        assert client.recv(100).startswith(b"c ")


def test_nothing_is_left_when_the_service_goes(rig: Rig) -> None:
    web = service("web", type="NodePort", ports=[port(80, node_port=NODE_PORT)])
    rig.change(web, pods("b"))
    assert rig.ask("a")[0] == "b"
    rig.remove(web)
    assert rig.ask("a")[0] == "refused"
    assert rig.ask("world", NODE_IP, NODE_PORT)[0] == "refused"


def pods6(*names: str, protocol: str) -> Object:
    ends = [endpoint(PODS6[name], node=PODS[name][0]) for name in names]
    ports = [{"name": "", "protocol": protocol, "port": SERVER_PORT}]
    return endpoint_slice("web", ends, name="web-6", ports=ports, family="IPv6")


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_the_same_in_ipv6(rig: Rig, protocol: str) -> None:
    spec = {"type": "NodePort", "clusterIPs": [VIP, VIP6], "ports": [port(80, protocol=protocol, node_port=NODE_PORT)]}
    rig.change(service("web", **spec), pods("b", protocol=protocol), pods6("c", protocol=protocol))
    node = NODE_IPS[1]
    assert rig.ask("a", VIP6, protocol=protocol) == ("c", PODS6["a"])
    assert rig.ask("a", VIP, protocol=protocol) == ("b", PODS["a"][1])
    assert rig.ask("node-1", VIP6, protocol=protocol) == ("c", node)
    assert rig.ask("world", node, NODE_PORT, protocol=protocol) == ("c", node)
    rig.change(service("web", **spec, externalTrafficPolicy="Local"))
    assert rig.is_silent("world", node, NODE_PORT, protocol=protocol)
    rig.change(pods6("b", protocol=protocol))
    assert rig.ask("world", node, NODE_PORT, protocol=protocol) == ("b", WORLD6)
    rig.change(pods6("a", protocol=protocol))
    assert rig.ask("a", VIP6, protocol=protocol)[0] == "a"
    rig.change(pods6(protocol=protocol))
    assert rig.ask("a", VIP6, protocol=protocol)[0] == "refused"


def test_connections_to_a_foreign_address_drain_while_new_ones_are_refused(rig: Rig) -> None:
    rig.change(service("web", externalIPs=[FOREIGN]), pods("b"))
    with rig.lab.connect("world", FOREIGN, 80) as old:
        rig.change(pods("b", ready=False))
        assert {rig.ask(origin, FOREIGN)[0] for origin in ("world", "a", "node-1")} == {"refused"}
        old.sendall(b"still here")
        assert old.recv(100) == b"still here"


def state() -> tuple[object, ...]:
    """Everything of a namespace that a plane could leave behind."""
    with Netlink() as netlink, contextlib.closing(Netfilter()) as netfilter:
        routes = [netlink.routes(ipv6=six) for six in (False, True)]
        rules = [netlink.rules(ipv6=six) for six in (False, True)]
        tables = [netfilter.dump(1, family) for family in (nf.INET, nf.IPV4, nf.IPV6)]
        return routes, rules, tables


@pytest.mark.parametrize("mode", PLANES)
def test_a_stopped_plane_leaves_the_namespace_as_it_was(lab: Lab, mode: str) -> None:
    before = lab.places["node-1"].run(state)
    rig = Rig(lab, PLANES[mode])
    rig.change(service("web", externalIPs=[FOREIGN]), pods("b"))
    rig.close()
    assert lab.places["node-1"].run(state) == before


@contextlib.contextmanager
def killed_agent(lab: Lab, mode: str) -> Iterator[None]:
    """What is left of a plane that led the VIP and a foreign address to b, in a process that was killed."""
    place, served = lab.places["node-1"], f"{PODS['b'][1]}:{SERVER_PORT}"
    command = [sys.executable, "-m", "benchmarks.dataplane.serve", mode, NODE_IP, f"{VIP}:80={served}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=lambda: setns(place.fd, CLONE_NEWNET)
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
        finally:
            process.kill()
            process.wait()
    yield


@pytest.mark.parametrize("mode", PLANES)
@pytest.mark.parametrize("before", PLANES)
def test_an_agent_takes_over_from_a_killed_one_of_any_mode(lab: Lab, before: str, mode: str) -> None:
    clean = lab.places["node-1"].run(state)
    with killed_agent(lab, before):
        successor = Rig(lab, PLANES[mode])
        try:
            # The kernel's table serves until the successor knows the Services.
            assert successor.ask("a")[0] == ("b" if before == "nftables" else "refused")
            successor.change(service("web"), pods("c"))
            assert {successor.ask("a")[0] for _ in range(4)} == {"c"}
        finally:
            successor.close()
    assert lab.places["node-1"].run(state) == clean
