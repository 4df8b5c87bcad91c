"""Keeping the client's address: what the node must do so that answers to foreign addresses come back to our sockets.

A transparent socket sends from the client's own address, so the endpoint answers to the client, and the node would
forward that answer. One netfilter rule marks packets that belong to a transparent socket, one routing rule delivers
marked packets locally. Ports or addresses alone cannot tell these answers from the client's own connections to the
same endpoint, hence the socket lookup.
"""

from __future__ import annotations

import errno
import logging
import struct
from collections.abc import Iterable
from contextlib import closing

from minikube_py.dataplane.nftables import expressions as ex
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.netfilter import Netfilter, Transaction
from minikube_py.linux.netlink import Netlink

_log = logging.getLogger(__name__)

TABLE = "minik-transparent"
MARK = 0x4D1
ROUTE_TABLE = 1233
_RULE_PRIORITY = 1233
#: After destination NAT (-100), so that answers to masqueraded connections have their own addresses again.
_PRIORITY = -50
#: TCP, UDP, and the ICMP errors about them, in which the kernel looks for the socket too.
_PROTOCOLS = (6, 17, 1, 58)


def enable(node_ips: Iterable[str]) -> bool:
    """Prepares this network namespace; False (and a line in the log) where the kernel or our rights do not allow it."""
    try:
        _mark_answers()
        _deliver_marked(node_ips)
        _put_fragments_together()
    except OSError as error:
        _log.warning("clients' addresses are not preserved: %s", error)
        return False
    return True


def disable(node_ips: Iterable[str]) -> None:
    """Takes away what ``enable`` made, and the routes that external addresses share with it."""
    try:
        with closing(Netfilter()) as netfilter:
            transaction = Transaction()
            transaction.add(nf.DELETE_TABLE, nf.INET, nf.table_body(TABLE))
            netfilter.commit(transaction)
    except OSError as error:
        _tell(error)
    with Netlink() as netlink:
        for ip in node_ips:
            try:
                netlink.rule_del(table=ROUTE_TABLE, priority=_RULE_PRIORITY, fwmark=MARK, ipv6=":" in ip)
            except OSError as error:
                _tell(error)
            try:
                netlink.route_del("::/0" if ":" in ip else "0.0.0.0/0", table=ROUTE_TABLE)
            except OSError as error:
                _tell(error)


def _tell(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EPERM):
        _log.warning("cannot undo what preserved clients' addresses: %s", error)


def _mark_answers() -> None:
    transaction = Transaction()
    transaction.add(nf.NEW_TABLE, nf.INET, nf.table_body(TABLE), nf.CREATE)
    transaction.add(nf.DELETE_TABLE, nf.INET, nf.table_body(TABLE))  # what an earlier agent left
    transaction.add(nf.NEW_TABLE, nf.INET, nf.table_body(TABLE), nf.CREATE)
    chain = nf.chain_body(TABLE, "prerouting", ("filter", nf.PREROUTING, _PRIORITY))
    transaction.add(nf.NEW_CHAIN, nf.INET, chain, nf.CREATE)
    for protocol in _PROTOCOLS:
        rule = (
            ex.load_l4_protocol(ex.REGISTER),
            ex.equal(ex.REGISTER, bytes([protocol])),
            ex.load_socket(ex.REGISTER, ex.SOCKET_TRANSPARENT),
            ex.equal(ex.REGISTER, b"\1"),
            ex.load_socket(ex.REGISTER, ex.SOCKET_WILDCARD),
            ex.equal(ex.REGISTER, b"\0"),
            ex.immediate(ex.REGISTER, struct.pack("=I", MARK)),
            ex.set_mark(ex.REGISTER),
        )
        transaction.add(nf.NEW_RULE, nf.INET, nf.rule_body(TABLE, "prerouting", *rule), nf.CREATE | nf.APPEND)
    with closing(Netfilter()) as netfilter:
        netfilter.commit(transaction)


def _put_fragments_together() -> None:
    """Only the first fragment of an answer has the ports by which its socket is found.

    A rule that diverts makes the kernel defragment for the whole namespace, without the cost of tracking connections;
    it stands in a chain that nothing leads to.
    """
    transaction = Transaction()
    transaction.add(nf.NEW_CHAIN, nf.INET, nf.chain_body(TABLE, "defragment"), nf.CREATE)
    rule = ex.immediate(ex.REGISTER, struct.pack("!HH", 1, 0)), ex.divert(ex.REGISTER)
    transaction.add(nf.NEW_RULE, nf.INET, nf.rule_body(TABLE, "defragment", *rule), nf.CREATE | nf.APPEND)
    try:
        with closing(Netfilter()) as netfilter:
            netfilter.commit(transaction)
    except OSError as error:
        _log.warning("datagrams in fragments do not come back to their relays: %s", error)


def _deliver_marked(node_ips: Iterable[str]) -> None:
    with Netlink() as netlink:
        for ip in node_ips:
            netlink.route_local("::/0" if ":" in ip else "0.0.0.0/0", table=ROUTE_TABLE, src=ip, replace=True)
            try:
                netlink.rule_add(table=ROUTE_TABLE, priority=_RULE_PRIORITY, fwmark=MARK, ipv6=":" in ip)
            except FileExistsError:
                continue
