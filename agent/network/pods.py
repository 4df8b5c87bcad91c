"""Connects pods to their node: an address, a cable, a route each way.

A pod is only a network namespace here, whichever runtime made it. Each hangs on a point-to-point veth with a host
route, so that every packet between pods passes the node's routing (and its Service proxy) and keeps its source address.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from agent.network.addresses import AddressPool, Lease, Leases
from agent.network.node import (
    CONGESTION_CONTROL,
    GATEWAY_IPV4,
    GATEWAY_IPV6,
    NodeNetwork,
    families,
    prepare_node,
    uplink_mtu,
    write_sysctl,
)
from minikube_py.linux.namespaces import in_netns
from minikube_py.linux.netlink import Netlink

_POD_DEVICE = "eth0"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PodAddresses:
    """The addresses of a pod, primary family first."""

    ips: tuple[str, ...]


class PodNetwork(Protocol):
    """What a pod worker needs of the network. Not for pods with hostNetwork: theirs is the node's."""

    async def attach(self, netns_path: str, pod_uid: str) -> PodAddresses:
        """Gives the pod addresses and connects its namespace; again for one that is attached: the same addresses.

        Raises OSError, and NoAddressLeft where the node's range is used up; nothing is left then.
        """
        ...

    async def detach(self, pod_uid: str) -> None:
        """Takes the cable and the addresses back. Harmless for one that has none."""
        ...

    async def adopt(self, pod_uids: Iterable[str]) -> None:
        """After a restart of the agent: keeps what these pods have, takes back the rest."""
        ...


class RoutedPodNetwork:
    """PodNetwork on the node's own kernel. ``start`` before use, on a thread in the node's network namespace."""

    def __init__(self, *, node: NodeNetwork, state_dir: Path) -> None:
        self._node = node
        self._state_dir = state_dir
        #: One at a time. The turn is waited for without a thread, which others may need; the lock still holds
        #: where work goes on for which nobody waits any more.
        self._turn = asyncio.Lock()
        self._lock = threading.Lock()
        self._netlink: Netlink | None = None
        self._leases = Leases(state_dir / "network", node.pod_cidrs)
        self._mtu = 0

    async def start(self) -> None:
        """Makes the namespace a node. Raises OSError."""
        await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """Pods stay connected."""
        netlink, self._netlink = self._netlink, None
        if netlink is not None:
            netlink.close()

    async def attach(self, netns_path: str, pod_uid: str) -> PodAddresses:
        async with self._turn:
            lease = await _uninterrupted(self._attach, netns_path, pod_uid)
        return PodAddresses(lease.ips)

    async def detach(self, pod_uid: str) -> None:
        async with self._turn:
            await _uninterrupted(self._detach, pod_uid)

    async def adopt(self, pod_uids: Iterable[str]) -> None:
        known = set(pod_uids)
        for pod_uid in self._leases.pods():
            if pod_uid not in known:
                await self.detach(pod_uid)

    def _start(self) -> None:
        prepare_node(self._node)
        self._netlink = self._netlink or Netlink()
        self._mtu = uplink_mtu(self._netlink)

    def _attach(self, netns_path: str, pod_uid: str) -> Lease:
        netns = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._lock:
                return self._attach_namespace(netns, pod_uid)
        finally:
            os.close(netns)

    def _attach_namespace(self, netns: int, pod_uid: str) -> Lease:
        inode = os.fstat(netns).st_ino
        lease = self._leases.get(pod_uid)
        if lease is not None and lease.netns == inode and self._has_device(lease.device):
            return lease
        fresh = lease or self._leases.allocate(pod_uid, device_name(pod_uid))
        fresh = replace(fresh, netns=inode)
        try:
            self._unwire(fresh.device)
            self._wire(fresh, netns)
            self._leases.save(fresh)
        except BaseException:
            self._unwire(fresh.device)
            self._leases.release(fresh)
            raise
        return fresh

    def _detach(self, pod_uid: str) -> None:
        with self._lock:
            lease = self._leases.get(pod_uid)
            if lease is not None:
                self._unwire(lease.device)
                self._leases.release(lease)

    def _wire(self, lease: Lease, netns: int) -> None:
        node = self._own()
        try:
            node.link_add_veth(lease.device, _POD_DEVICE, netns, mtu=self._mtu)
        except FileExistsError:  # the cable to a node that was killed, and whose network somebody still holds
            with in_netns(netns, _enter_pod) as pod:
                pod.link_del(_POD_DEVICE)
            node.link_add_veth(lease.device, _POD_DEVICE, netns, mtu=self._mtu)
        with in_netns(netns, _enter_pod) as pod:
            self._wire_pod(pod, lease)
        with node.batch():
            if self._node.has_ipv6:
                node.addr_add(lease.device, f"{GATEWAY_IPV6}/64")
            for ip, ipv6 in families(lease.ips):
                source = self._node.own_ip(ipv6=ipv6)
                node.route_add(ip, dev=lease.device, src=source, replace=True)

    def _wire_pod(self, pod: Netlink, lease: Lease) -> None:
        with pod.batch():
            pod.link_up("lo")
            pod.link_up(_POD_DEVICE)
            for ip, ipv6 in families(lease.ips):
                pod.addr_add(_POD_DEVICE, f"{ip}/{128 if ipv6 else 32}")
                gateway = GATEWAY_IPV6 if ipv6 else GATEWAY_IPV4
                pod.route_add("default", dev=_POD_DEVICE, via=gateway, onlink=True)

    def _unwire(self, device: str) -> None:
        with contextlib.suppress(OSError):
            self._own().link_del(device)

    def _has_device(self, device: str) -> bool:
        try:
            self._own().index(device)
        except OSError:
            return False
        return True

    def _own(self) -> Netlink:
        if self._netlink is None:
            raise OSError(107, "the node's network is not started")
        return self._netlink


class SimulatedPodNetwork:
    """PodNetwork without a kernel: addresses only."""

    def __init__(self, pod_cidrs: Iterable[str]) -> None:
        self._pools = [AddressPool(cidr) for cidr in pod_cidrs]
        self._pods: dict[str, PodAddresses] = {}

    async def attach(self, netns_path: str, pod_uid: str) -> PodAddresses:  # noqa: ARG002
        if pod_uid not in self._pods:
            self._pods[pod_uid] = PodAddresses(tuple(pool.take() for pool in self._pools))
        return self._pods[pod_uid]

    async def detach(self, pod_uid: str) -> None:
        addresses = self._pods.pop(pod_uid, None)
        for ip in addresses.ips if addresses else ():
            for pool in self._pools:
                pool.give_back(ip)

    async def adopt(self, pod_uids: Iterable[str]) -> None:
        for pod_uid in set(self._pods) - set(pod_uids):
            await self.detach(pod_uid)


def device_name(pod_uid: str) -> str:
    """The node's end of the pod's cable: at most 15 characters, the same for the same pod."""
    return "veth" + hashlib.sha256(pod_uid.encode()).hexdigest()[:10]


def _enter_pod() -> Netlink:
    """Runs on a thread inside the pod's namespace."""
    with contextlib.suppress(OSError):
        write_sysctl("net.ipv4.tcp_congestion_control", CONGESTION_CONTROL)
    return Netlink()


async def _uninterrupted(work: Callable[..., Result], *arguments: str) -> Result:
    """Runs ``work`` on a thread to its end even when the caller is cancelled: half a cable is worse than a wait."""
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, work, *arguments))
