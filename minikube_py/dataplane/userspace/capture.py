"""Addresses that are not the node's: external IPs and load balancers' addresses, taken per address, protocol and port.

A local route would swallow the whole address, and an external IP may well be another node's; a routing rule takes
exactly what the Service claims.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable

from minikube_py.dataplane.model import Frontend, Kind, Route, Scope
from minikube_py.dataplane.userspace.refusals import Refusals
from minikube_py.dataplane.userspace.transparent import ROUTE_TABLE
from minikube_py.linux.netlink import Netlink

_log = logging.getLogger(__name__)

_PRIORITY = 1232
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def is_foreign(route: Route) -> bool:
    """Whether the front end's address is none of this namespace's by nature."""
    return route.frontend.scope is Scope.NODE and route.kind in (Kind.EXTERNAL_IP, Kind.LOAD_BALANCER)


class Capture:
    """Routing rules of this network namespace. Where rules cannot be made, binding will fail and be reported."""

    def __init__(self) -> None:
        self._netlink: Netlink | None = None
        self._refusals = Refusals()
        self._held: set[Frontend] = set()

    def start(self, node_ips: Iterable[str]) -> None:
        """Opens the door to the kernel, and drops what an earlier agent left. Raises OSError.

        The node's own clients of such an address come from ``node_ips``: they could not come from the address itself.
        """
        self._netlink = Netlink()
        for ip in node_ips:
            self._netlink.route_local("::/0" if ":" in ip else "0.0.0.0/0", table=ROUTE_TABLE, src=ip, replace=True)
            drop_rules(self._netlink, ipv6=":" in ip)
        self._refusals.start()

    def stop(self) -> None:
        """Gives every address back."""
        for frontend in list(self._held):
            self.release(frontend)
        self._refusals.stop()
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def refuse(self, frontend: Frontend) -> None:
        """This node answers for ``frontend`` by refusing.

        A UDP address is not taken meanwhile: the kernel sends no ICMP from one that it takes by a rule, so this node's
        own clients would hear nothing. A TCP address stays taken for the connections that are draining.
        """
        if self._refusals.add(frontend) and frontend.protocol != "TCP":
            self._let_go(frontend)

    def hold(self, frontend: Frontend) -> None:
        """From now on a socket of this node answers for ``frontend``."""
        if frontend not in self._held and self._netlink is not None:
            self._take(self._netlink, frontend)
        self._refusals.remove(frontend)

    def release(self, frontend: Frontend) -> None:
        """This node no longer answers for ``frontend``."""
        self._refusals.remove(frontend)
        self._let_go(frontend)

    def _take(self, netlink: Netlink, frontend: Frontend) -> None:
        try:
            netlink.rule_add(table=ROUTE_TABLE, priority=_PRIORITY, to=_selector(frontend), ipv6=":" in frontend.ip)
        except OSError as error:
            if error.errno != errno.EEXIST:
                _log.warning("cannot take %s: %s", frontend, error)
                return
        self._held.add(frontend)

    def _let_go(self, frontend: Frontend) -> None:
        if frontend not in self._held or self._netlink is None:
            return
        self._held.discard(frontend)
        try:
            self._netlink.rule_del(
                table=ROUTE_TABLE, priority=_PRIORITY, to=_selector(frontend), ipv6=":" in frontend.ip
            )
        except OSError as error:
            _log.warning("cannot give %s back: %s", frontend, error)


def drop_rules(netlink: Netlink, *, ipv6: bool) -> None:
    """Gives back every address that some plane of this namespace has taken."""
    while True:
        try:
            netlink.rule_del(table=ROUTE_TABLE, priority=_PRIORITY, ipv6=ipv6)
        except OSError:
            return


def _selector(frontend: Frontend) -> tuple[str, int, int]:
    return frontend.ip, _PROTOCOLS[frontend.protocol], frontend.port
