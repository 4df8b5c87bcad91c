"""rtnetlink against the kernel, in namespaces of the test's own."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from minikube_py.linux import rtmessages as rt
from minikube_py.linux.namespaces import in_netns, new_netns
from minikube_py.linux.netlink import Netlink

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root or a user namespace")


@pytest.fixture
def node() -> Iterator[int]:
    fd = new_netns()
    yield fd
    os.close(fd)


@pytest.fixture
def pod() -> Iterator[int]:
    fd = new_netns()
    yield fd
    os.close(fd)


def _wire(node: int, pod: int) -> None:
    """A node and a pod as the agent wires them."""
    with Netlink(node) as netlink:
        netlink.link_add_veth("veth1", "eth0", pod, mtu=1400)
        with netlink.batch():
            netlink.link_up("lo")
            netlink.addr_add("lo", "10.0.0.1/32")
            netlink.route_add("10.244.1.5/32", dev="veth1", src=None)
    with Netlink(pod) as netlink, netlink.batch():
        netlink.link_up("lo")
        netlink.link_up("eth0")
        netlink.addr_add("eth0", "10.244.1.5/32")
        netlink.route_add("default", dev="eth0", via="10.0.0.1", onlink=True)


def test_a_pod_and_its_node_reach_each_other(node: int, pod: int) -> None:
    _wire(node, pod)

    def listen() -> socket.socket:
        return socket.create_server(("10.244.1.5", 80))

    def connect() -> socket.socket:
        return socket.create_connection(("10.244.1.5", 80), timeout=5)

    with in_netns(pod, listen) as server, in_netns(node, connect) as client:
        accepted, peer = server.accept()
        with accepted:
            assert peer[0] == "10.0.0.1"
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"


def test_links_are_read_back(node: int, pod: int) -> None:
    _wire(node, pod)
    with Netlink(pod) as netlink:
        by_name = {link.name: link for link in netlink.links()}
        assert by_name["eth0"].kind == "veth"
        assert by_name["eth0"].mtu == 1400
        assert by_name["eth0"].up
        assert len(by_name["eth0"].mac.split(":")) == 6
        assert "10.244.1.5/32" in {address.cidr for address in netlink.addresses()}


def test_routes_are_read_back(node: int, pod: int) -> None:
    _wire(node, pod)
    with Netlink(pod) as netlink:
        default = next(route for route in netlink.routes() if route.dst == "0.0.0.0/0")
        assert (default.via, default.table) == ("10.0.0.1", rt.RT_TABLE_MAIN)
        netlink.route_del("default", via="10.0.0.1")
        assert not [route for route in netlink.routes() if route.dst == "0.0.0.0/0"]


def test_anyip_lets_any_address_be_bound(node: int) -> None:
    with Netlink(node) as netlink:
        netlink.link_up("lo")
        netlink.route_local("10.96.0.0/16")
        netlink.route_local("10.96.0.0/16", replace=True)

    def bind() -> tuple[str, int]:
        with socket.create_server(("10.96.7.9", 80)) as server, socket.create_connection(("10.96.7.9", 80), timeout=5):
            return server.getsockname()[:2]

    assert in_netns(node, bind) == ("10.96.7.9", 80)


def test_ipv6(node: int, pod: int) -> None:
    with Netlink(node) as netlink:
        netlink.link_add_veth("veth1", "eth0", pod)
        netlink.addr_add("veth1", "fe80::1/64")
        netlink.route_add("fd00:10:244::5/128", dev="veth1")
    with Netlink(pod) as netlink:
        netlink.link_up("eth0")
        netlink.addr_add("eth0", "fd00:10:244::5/128")
        netlink.route_add("default", dev="eth0", via="fe80::1")
        assert any(route.dst == "::/0" and route.via == "fe80::1" for route in netlink.routes(ipv6=True))


def test_rules_and_tables(node: int) -> None:
    with Netlink(node) as netlink:
        netlink.rule_add(fwmark=1, table=100, priority=99)
        netlink.route_local("0.0.0.0/0", table=100)
        with pytest.raises(FileExistsError, match="add rule fwmark 1 lookup 100"):
            netlink.rule_add(fwmark=1, table=100, priority=99)
        assert any((rule.fwmark, rule.table, rule.priority) == (1, 100, 99) for rule in netlink.rules())
        assert any(route.table == 100 and route.type == rt.RTN_LOCAL for route in netlink.routes())


@pytest.mark.parametrize(
    ("words", "code", "operation"),
    [
        ("find device nothing", errno.ENODEV, lambda netlink: netlink.link_up("nothing")),
        ("add address 10.0.0.1/32 to lo", errno.EEXIST, lambda netlink: netlink.addr_add("lo", "10.0.0.1/32")),
        ("add route 10.9.0.0/16 via 10.8.0.1", errno.ENETUNREACH,
         lambda netlink: netlink.route_add("10.9.0.0/16", via="10.8.0.1")),
        ("make veth lo", errno.EEXIST, lambda netlink: netlink.link_add_veth("lo", "eth9")),
    ],
)  # fmt: skip
def test_errors_name_the_operation(node: int, words: str, code: int, operation: object) -> None:
    with Netlink(node) as netlink:
        netlink.link_up("lo")
        netlink.addr_add("lo", "10.0.0.1/32")
        with pytest.raises(OSError, match=words) as raised:
            operation(netlink)  # type: ignore[operator]
        assert raised.value.errno == code


def test_a_batch_carries_out_the_rest_and_raises_the_first_failure(node: int) -> None:
    with Netlink(node) as netlink:
        with pytest.raises(OSError, match=r"add route 10\.9"), netlink.batch():
            netlink.route_add("10.9.0.0/16", via="10.8.0.1")
            netlink.link_up("lo")
        assert netlink.links()[0].up


def test_an_abandoned_batch_sends_nothing(node: int) -> None:
    with Netlink(node) as netlink:
        with pytest.raises(ValueError, match="stop"), netlink.batch():
            netlink.link_up("lo")
            raise ValueError("stop")
        assert not netlink.links()[0].up
        netlink.link_up("lo")
        assert netlink.links()[0].up


def test_many_routes_are_listed_whole(node: int) -> None:
    with Netlink(node) as netlink:
        netlink.link_up("lo")
        with netlink.batch():
            for number in range(1000):
                netlink.route_local(f"10.{100 + number // 250}.{number % 250}.0/24")
        assert sum(route.dst.endswith(".0/24") for route in netlink.routes()) == 1000


def test_veth_removal_takes_the_peer(node: int, pod: int) -> None:
    _wire(node, pod)
    with Netlink(node) as netlink, Netlink(pod) as inside:
        netlink.link_del("veth1")
        assert "eth0" not in {link.name for link in inside.links()}
