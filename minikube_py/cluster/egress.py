"""The pods' way out of the cluster, where this machine has one; nothing of it is left when the cluster is gone.

- ``masquerade``: as root, on a machine that forwards: the fabric sends what it cannot route to the host over root's own
  cable, and the host puts its own address in. The host's rule is in a table that belongs to a socket of the supervisor:
  the kernel removes it with the process (NFT_TABLE_F_OWNER, Linux 5.12). The machine's own settings are left alone: one
  that does not forward, or drops what it forwards, is not made to.
- ``slirp4netns``: where that program is installed: a TCP/IP stack of an ordinary user, with a device in the fabric. It
  ends with the supervisor.
- else nothing: addresses outside are unreachable, and pods are told so at once.

IPv4 only.
"""

from __future__ import annotations

import logging
import os
import shutil
import struct
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from minikube_py.cluster.hostlink import FABRIC_DEVICE, HostLink
from minikube_py.cluster.network import ClusterNetwork
from minikube_py.cluster.plan import ClusterPlan
from minikube_py.config.parts import Told
from minikube_py.dataplane.nftables import expressions as ex
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.layout import packed_address
from minikube_py.dataplane.nftables.netfilter import Netfilter, Transaction
from minikube_py.linux.namespaces import in_netns
from minikube_py.linux.netlink import Netlink
from minikube_py.linux.rtmessages import attributes

_log = logging.getLogger(__name__)

PROGRAM: Final = "slirp4netns"
_TAP: Final = "outside"
_TABLE: Final = "minik-outside"
_SOURCE_NAT_PRIORITY: Final = 100
_IPV4_SOURCE: Final = 12


@dataclass(slots=True)
class Egress:
    """``way`` is how pods get out (masquerade, slirp4netns), "" where they do not, and then ``why`` not."""

    way: str = ""
    why: str = ""
    table: Netfilter | None = None

    def close(self) -> None:
        """Takes the host's rules away."""
        if self.table is not None:
            self.table.close()
            self.table = None

    def __str__(self) -> str:
        return f"by {self.way}" if self.way else f"not reachable: {self.why}"


def open_way(network: ClusterNetwork, plan: ClusterPlan, link: HostLink | None) -> Egress:
    """Finds the way out and makes it. ``link`` is root's cable, None without privilege. Raises OSError."""
    fabric_ip, host_ip = plan.fabric_ips[0], plan.host_ips[0]
    if ":" in fabric_ip:
        return Egress(why="the way out is IPv4's, and this cluster has none of it")
    _keep_inside(network, plan.config.ranges)
    obstacle = _obstacle(link, fabric_ip)
    if link is not None and not obstacle:
        table = _own_table(fabric_ip, link.device)
        in_netns(network.fabric, lambda: _put_address(FABRIC_DEVICE, fabric_ip))
        with Netlink(network.fabric) as fabric:
            fabric.route_add("default", via=host_ip, dev=FABRIC_DEVICE, onlink=True)
        return Egress("masquerade", table=table)
    if shutil.which(PROGRAM) is None:
        return Egress(why=f"{obstacle}, and {PROGRAM} is not installed")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return Egress(why=f"{obstacle}, and {PROGRAM} has no /dev/net/tun")
    in_netns(network.fabric, lambda: _put_address(_TAP, ""))
    return Egress(PROGRAM)


def _keep_inside(network: ClusterNetwork, ranges: Iterable[str]) -> None:
    """The cluster's own addresses that nobody has must not be looked for outside."""
    with Netlink(network.fabric) as fabric:
        for cidr in ranges:
            with suppress(FileExistsError):
                fabric.route_unreachable(cidr)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut(Told):
    """What the part is told that carries packets out: the inherited descriptor of the fabric's network namespace."""

    fabric: int


def main(config: WayOut) -> int:
    """Becomes slirp4netns on the fabric."""
    fabric = config.fabric
    os.set_inheritable(fabric, True)
    options = ("--configure", "--disable-host-loopback", "--mtu=65520", "--netns-type=path")
    return _become([PROGRAM, *options, f"/proc/self/fd/{fabric}", _TAP])


def _become(command: list[str]) -> int:
    """Returns only where the program is gone."""
    try:
        os.execvp(command[0], command)
    except OSError as error:
        _log.error("%s: %s", command[0], error)
    return 1


def _obstacle(link: HostLink | None, fabric_ip: str) -> str:
    """Why this machine's kernel does not carry pods' packets out, "" where it does."""
    if link is None:
        return "masquerading takes root"
    if any(_holds(cidr, fabric_ip) for cidr in link.hidden):
        return "the host has a route of its own to the nodes' network"
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
        return "this machine does not forward (net.ipv4.ip_forward)"
    return "this machine's packet filter drops what it forwards" if _drops_forwarded() else ""


def _holds(cidr: str, ip: str) -> bool:
    network = ip_network(cidr)
    return network.version == ip_address(ip).version and ip_address(ip) in network


def _drops_forwarded() -> bool:
    """Docker and firewalls set such a policy. Tables of the older iptables cannot be seen."""
    try:
        with closing(Netfilter()) as netfilter:
            chains = [attributes(body) for family in (nf.IPV4, nf.INET) for body in netfilter.dump(4, family)]
    except OSError:
        return False
    for chain in chains:
        hook = attributes(chain[4]).get(1) if 4 in chain else None
        if hook == struct.pack("!I", nf.FORWARD) and chain.get(5) == struct.pack("!I", nf.DROP):
            return True
    return False


def _own_table(fabric_ip: str, device: str) -> Netfilter:
    """The host's rule: what the fabric sends leaves with the host's address. Raises OSError."""
    table = device  # the host has neither name twice
    netfilter = Netfilter()
    transaction = Transaction()
    transaction.add(nf.NEW_TABLE, nf.IPV4, nf.table_body(table, owned=True), nf.CREATE | nf.EXCLUSIVE)
    from_fabric = ex.load_network(ex.REGISTER, _IPV4_SOURCE, 4), ex.equal(ex.REGISTER, packed_address(fabric_ip))
    elsewhere = ex.load_out_device(ex.REGISTER), ex.differs(ex.REGISTER, ex.device_name(device))
    _add_nat(transaction, table, (*from_fabric, *elsewhere, ex.masquerade()))
    try:
        netfilter.commit(transaction)
    except OSError:
        netfilter.close()
        raise
    return netfilter


def _put_address(device: str, fabric_ip: str) -> None:
    """The fabric's rule: what leaves by ``device`` leaves with one address, which the other end can answer."""
    known = ex.immediate(ex.REGISTER, packed_address(fabric_ip or "0.0.0.0")), ex.source_nat(nf.IPV4, ex.REGISTER)
    change = known if fabric_ip else (ex.masquerade(),)
    leaving = ex.load_out_device(ex.REGISTER), ex.equal(ex.REGISTER, ex.device_name(device))
    transaction = Transaction()
    transaction.add(nf.NEW_TABLE, nf.IPV4, nf.table_body(_TABLE), nf.CREATE)
    _add_nat(transaction, _TABLE, (*leaving, *change))
    with closing(Netfilter()) as netfilter:
        netfilter.commit(transaction)


def _add_nat(transaction: Transaction, table: str, rule: tuple[bytes, ...]) -> None:
    chain = nf.chain_body(table, "postrouting", ("nat", nf.POSTROUTING, _SOURCE_NAT_PRIORITY))
    transaction.add(nf.NEW_CHAIN, nf.IPV4, chain, nf.CREATE)
    transaction.add(nf.NEW_RULE, nf.IPV4, nf.rule_body(table, "postrouting", *rule), nf.CREATE | nf.APPEND)
