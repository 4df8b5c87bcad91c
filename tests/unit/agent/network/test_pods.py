"""Pods on a node, in namespaces of the test's own: wired, reached, adopted, taken away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from agent.network.addresses import NoAddressLeft
from agent.network.node import NodeNetwork
from agent.network.pods import RoutedPodNetwork, device_name
from minikube_py.linux.namespaces import NetnsThread, in_netns, new_netns
from minikube_py.linux.netlink import Netlink

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root or a user namespace")

NODE = NodeNetwork(("192.168.230.11", "fd00:1::11"), ("10.244.1.0/24", "fd00:2::/64"), ("10.96.0.0/16", "fd00:3::/112"))
Result = TypeVar("Result")


class Here(RoutedPodNetwork):
    """The network of a node whose namespace is not this process' own."""

    def __init__(self, thread: NetnsThread, state_dir: Path, node: NodeNetwork = NODE) -> None:
        super().__init__(node=node, state_dir=state_dir)
        self.thread = thread

    def _start(self) -> None:
        self.thread.run(super()._start)


@pytest.fixture
def node() -> Iterator[NetnsThread]:
    with NetnsThread() as thread:

        def own_addresses() -> None:
            with Netlink() as netlink:
                netlink.link_up("lo")
                for ip in NODE.node_ips:
                    netlink.addr_add("lo", f"{ip}/{128 if ':' in ip else 32}")

        thread.run(own_addresses)
        yield thread


@pytest.fixture
def pods() -> Iterator[list[int]]:
    fds = [new_netns(), new_netns()]
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.fixture
async def network(node: NetnsThread, tmp_path: Path) -> AsyncIterator[Here]:
    network = Here(node, tmp_path)
    await network.start()
    yield network
    await network.stop()


def _path(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def _serve(ip: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return socket.create_server((ip, 80), family=family)


def _peer_seen(server_in: Callable[[Callable[[], socket.socket]], socket.socket], client: Callable[[], socket.socket],
               ip: str) -> str:  # fmt: skip
    with server_in(lambda: _serve(ip)) as server, client() as connection:
        accepted, peer = server.accept()
        accepted.close()
        del connection
        return str(peer[0])


@pytest.mark.parametrize("family", [0, 1])
async def test_pods_reach_each_other_and_their_node_with_their_own_addresses(
    network: Here, pods: list[int], family: int
) -> None:
    first = await network.attach(_path(pods[0]), "one")
    second = await network.attach(_path(pods[1]), "two")
    ip, other = first.ips[family], second.ips[family]

    def connect() -> socket.socket:
        return socket.create_connection((ip, 80), timeout=5)

    def serve(make: Callable[[], socket.socket]) -> socket.socket:
        return in_netns(pods[0], make)

    assert _peer_seen(serve, lambda: in_netns(pods[1], connect), ip) == other
    assert _peer_seen(serve, lambda: network.thread.run(connect), ip) == NODE.node_ips[family]


async def test_a_pod_reaches_a_service_address_bound_on_its_node(network: Here, pods: list[int]) -> None:
    addresses = await network.attach(_path(pods[0]), "one")

    def connect() -> socket.socket:
        return socket.create_connection(("10.96.7.7", 80), timeout=5)

    seen = _peer_seen(network.thread.run, lambda: in_netns(pods[0], connect), "10.96.7.7")
    assert seen == addresses.ips[0]


async def test_an_unused_pod_address_is_refused_at_once(network: Here, pods: list[int]) -> None:
    await network.attach(_path(pods[0]), "one")

    def connect() -> None:
        socket.create_connection(("10.244.1.200", 80), timeout=5)

    with pytest.raises(OSError, match=r"No route to host|unreachable"):
        in_netns(pods[0], connect)


async def test_attaching_again_gives_the_same_addresses(network: Here, pods: list[int]) -> None:
    first = await network.attach(_path(pods[0]), "one")
    assert await network.attach(_path(pods[0]), "one") == first


async def test_a_new_sandbox_of_the_same_pod_keeps_the_addresses(network: Here, pods: list[int]) -> None:
    first = await network.attach(_path(pods[0]), "one")
    assert await network.attach(_path(pods[1]), "one") == first
    names = in_netns(pods[0], socket.if_nameindex)
    assert "eth0" not in {name for _, name in names}


async def test_detaching_takes_everything_back(network: Here, pods: list[int]) -> None:
    await network.attach(_path(pods[0]), "one")
    await network.detach("one")
    await network.detach("one")
    assert device_name("one") not in {name for _, name in network.thread.run(socket.if_nameindex)}
    assert not list((network._state_dir / "network").iterdir())


async def test_a_new_agent_finds_its_pods(network: Here, pods: list[int], tmp_path: Path) -> None:
    kept = await network.attach(_path(pods[0]), "kept")
    await network.attach(_path(pods[1]), "gone")
    again = Here(network.thread, tmp_path)
    await again.start()
    await again.adopt(["kept"])
    assert await again.attach(_path(pods[0]), "kept") == kept
    names = {name for _, name in network.thread.run(socket.if_nameindex)}
    assert device_name("kept") in names
    assert device_name("gone") not in names
    await again.stop()


async def test_a_failure_leaves_nothing(network: Here, pods: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_way(*_: object) -> None:
        raise OSError(28, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(network, "_wire_pod", no_way)
        with pytest.raises(OSError, match="no room"):
            await network.attach(_path(pods[0]), "one")
    assert device_name("one") not in {name for _, name in network.thread.run(socket.if_nameindex)}
    assert (await network.attach(_path(pods[1]), "two")).ips[0].startswith("10.244.1.")


async def test_the_cable_to_a_dead_node_is_replaced(network: Here, pods: list[int]) -> None:
    """Its network may be held by somebody, and with it the far end of the pod's cable."""
    with NetnsThread() as dead:

        def lay() -> None:
            with Netlink() as netlink:
                netlink.link_add_veth("veth0", "eth0", pods[0])

        dead.run(lay)
        addresses = await network.attach(_path(pods[0]), "one")
        assert device_name("one") in {name for _, name in network.thread.run(socket.if_nameindex)}
        assert "veth0" not in {name for _, name in dead.run(socket.if_nameindex)}
        assert addresses == await network.attach(_path(pods[0]), "one")


async def test_a_full_range(node: NetnsThread, pods: list[int], tmp_path: Path) -> None:
    tiny = NodeNetwork(("192.168.230.11",), ("10.244.1.0/32",), ())
    network = Here(node, tmp_path, tiny)
    await network.start()
    await network.attach(_path(pods[0]), "one")
    with pytest.raises(NoAddressLeft):
        await network.attach(_path(pods[1]), "two")
    await network.stop()


async def test_a_cancelled_attach_is_finished_and_can_be_detached(network: Here, pods: list[int]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(network.attach(_path(pods[0]), "one"), 0)
    await network.detach("one")
    await network.attach(_path(pods[0]), "one")
    await network.detach("one")
    assert device_name("one") not in {name for _, name in network.thread.run(socket.if_nameindex)}


async def test_starting_twice_is_harmless(network: Here) -> None:
    await network.start()
