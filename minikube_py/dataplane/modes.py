"""Which data plane a proxy mode means."""

from __future__ import annotations

from minikube_py.aio.clock import Clock
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.nftables.build import NftablesDataPlane
from minikube_py.dataplane.userspace.build import UserspaceDataPlane
from minikube_py.dataplane.userspace.clients import Clients
from minikube_py.hostnet.protocol import HostSockets


def choose_planes(
    mode: str,
    *,
    clients: Clients,
    host_sockets: HostSockets | None,
    clock: Clock,
    keep_sources: bool,
    node_ips: tuple[str, ...],
) -> tuple[DataPlane, DataPlane | None]:
    """The plane for ``mode`` (userspace, nftables or auto), and the one to use where that cannot start.

    Raises ValueError for an unknown mode.
    """

    def userspace(*, keep: bool) -> DataPlane:
        return UserspaceDataPlane(
            clients=clients, host_sockets=host_sockets, clock=clock, keep_sources=keep, node_ips=node_ips
        )

    if mode == "userspace":
        return userspace(keep=keep_sources), None
    if mode not in ("nftables", "auto"):
        raise ValueError(f"unknown proxy mode {mode!r}: userspace, nftables or auto")
    nftables = NftablesDataPlane(clients=clients, node_ips=node_ips, beside=userspace(keep=False), clock=clock)
    return nftables, userspace(keep=keep_sources) if mode == "auto" else None
