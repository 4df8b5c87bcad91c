"""Refusing clients of an address that is not this node's and has no endpoint.

For its own addresses the kernel refuses by itself where no socket is bound; from a foreign one it may not even send the
reset. A netfilter set does it instead.
"""

from __future__ import annotations

import errno
import logging
from ipaddress import ip_address

from minikube_py.dataplane.model import Frontend
from minikube_py.dataplane.nftables import expressions as ex
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.netfilter import Netfilter, Transaction
from minikube_py.dataplane.nftables.rules import ICMP_PORT_UNREACHABLE, refusing

_log = logging.getLogger(__name__)

TABLE = "minik-refused"
_SET = "addresses"
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
#: (IP version, family, type of an address, its length, where an IP header has the destination)
_FAMILIES = ((4, nf.IPV4, nf.TYPE_IPV4, 4, 16), (6, nf.IPV6, nf.TYPE_IPV6, 16, 24))
_PRIORITY = -150
_SET_IDENTITY = 1


class Refusals:
    """The refused front ends of this network namespace. Without netfilter their clients run into a timeout."""

    def __init__(self) -> None:
        self._netfilter: Netfilter | None = None
        self._refused: set[Frontend] = set()

    def start(self) -> None:
        """Makes the sets and the rules. Raises OSError."""
        transaction = Transaction()
        for _, family, kind, length, offset in _FAMILIES:
            _declare(transaction, family, kind, length, offset)
        netfilter = Netfilter()
        try:
            netfilter.commit(transaction)
        except OSError:
            netfilter.close()
            raise
        self._netfilter = netfilter

    def stop(self) -> None:
        """Takes everything away again."""
        if self._netfilter is None:
            return
        try:
            drop_tables(self._netfilter)
        except OSError as error:
            _log.warning("cannot remove %s: %s", TABLE, error)
        self._netfilter.close()
        self._netfilter = None
        self._refused.clear()

    def add(self, frontend: Frontend) -> bool:
        """Clients of ``frontend`` are refused from now on; False where that cannot be done."""
        if frontend not in self._refused and self._change(nf.NEW_ELEMENT, frontend, nf.CREATE):
            self._refused.add(frontend)
        return frontend in self._refused

    def remove(self, frontend: Frontend) -> None:
        """Clients of ``frontend`` are let through again."""
        if frontend in self._refused and self._change(nf.DELETE_ELEMENT, frontend, 0):
            self._refused.discard(frontend)

    def _change(self, kind: int, frontend: Frontend, flags: int) -> bool:
        if self._netfilter is None:
            return False
        address = ip_address(frontend.ip)
        key = address.packed + bytes([_PROTOCOLS[frontend.protocol], 0, 0, 0]) + frontend.port.to_bytes(2, "big")
        family = nf.IPV6 if address.version == 6 else nf.IPV4
        transaction = Transaction()
        transaction.add(kind, family, nf.elements_body(TABLE, _SET, [nf.element(key + bytes(2))]), flags)
        try:
            self._netfilter.commit(transaction)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOENT):
                _log.warning("cannot change the refusal of %s: %s", frontend, error)
                return False
        return True


def drop_tables(netfilter: Netfilter) -> None:
    """Takes the sets and the rules away, if there are any. Raises OSError."""
    transaction = Transaction()
    for _, family, *_rest in _FAMILIES:
        transaction.add(nf.NEW_TABLE, family, nf.table_body(TABLE), nf.CREATE)
        transaction.add(nf.DELETE_TABLE, family, nf.table_body(TABLE))
    netfilter.commit(transaction)


def _declare(transaction: Transaction, family: int, kind: int, length: int, offset: int) -> None:
    transaction.add(nf.NEW_TABLE, family, nf.table_body(TABLE), nf.CREATE)
    transaction.add(nf.DELETE_TABLE, family, nf.table_body(TABLE))  # what an earlier agent left
    transaction.add(nf.NEW_TABLE, family, nf.table_body(TABLE), nf.CREATE)
    key = nf.concatenated(kind, nf.TYPE_PROTOCOL, nf.TYPE_PORT), length + 8
    transaction.add(nf.NEW_SET, family, nf.set_body(TABLE, _SET, key=key, identity=_SET_IDENTITY), nf.CREATE)
    words = length // 4
    front_end = (
        ex.load_network(ex.REGISTER, offset, length),
        ex.load_l4_protocol(ex.REGISTER + words),
        ex.load_transport(ex.REGISTER + words + 1, 2, 2),
        ex.member(_SET, _SET_IDENTITY, ex.REGISTER),
    )
    for chain, hook in (("prerouting", nf.PREROUTING), ("output", nf.OUTPUT)):
        transaction.add(nf.NEW_CHAIN, family, nf.chain_body(TABLE, chain, ("filter", hook, _PRIORITY)), nf.CREATE)
        for rule in refusing(ICMP_PORT_UNREACHABLE[family]):
            body = nf.rule_body(TABLE, chain, *front_end, *rule)
            transaction.add(nf.NEW_RULE, family, body, nf.CREATE | nf.APPEND)
