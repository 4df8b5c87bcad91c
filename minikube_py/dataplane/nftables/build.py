"""The nftables data plane with all its collaborators."""

from __future__ import annotations

import logging
from ipaddress import ip_address

from minikube_py.aio.clock import Clock, Timer
from minikube_py.dataplane.contract import DataPlane
from minikube_py.dataplane.model import Changes, Frontend, Scope, family_of
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.layout import LOCAL_PODS, OWN, PODS, packed_address
from minikube_py.dataplane.nftables.netfilter import Netfilter
from minikube_py.dataplane.nftables.plane import FamilyTable
from minikube_py.dataplane.nftables.rules import Family
from minikube_py.dataplane.userspace import leftovers
from minikube_py.dataplane.userspace.clients import Clients

_log = logging.getLogger(__name__)

#: How long what the kernel refused twice is left alone.
RETRY_SECONDS = 2.0


class NftablesDataPlane:
    """See DataPlane. ``beside`` carries front ends on the host and on loopback addresses.

    What the kernel refuses to take is tried again, until it does: it may have been short of memory, or filtered.
    """

    name = "nftables"

    def __init__(self, *, clients: Clients, node_ips: tuple[str, ...], beside: DataPlane, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._retry: Timer | None = None
        self._node_ips = node_ips
        self._beside = beside
        self._netfilter: Netfilter | None = None
        self._tables: dict[str, FamilyTable] = {}
        self._failing: dict[FamilyTable, str] = {}
        self._taken_over = False
        self._served: set[Frontend] = set()

    def start(self) -> None:
        """See DataPlane. Raises OSError where nf_tables is not to be had."""
        try:
            self._netfilter = Netfilter()
            self._make_tables(self._netfilter)
        except OSError:
            if self._netfilter is not None:
                self._netfilter.close()
            raise
        self._beside.start()

    def _make_tables(self, netfilter: Netfilter) -> None:
        """Tries the kernel without touching what an earlier agent left: that serves until the first ``apply``."""
        for ip in self._node_ips:
            family = family_of(ip)
            number = nf.IPV4 if family == "IPv4" else nf.IPV6
            table = FamilyTable(Family(number, packed_address(ip)), netfilter, networks=self._networks(family))
            table.probe()
            self._tables[family] = table

    def _networks(self, family: str) -> dict[str, list[str]]:
        known = self._clients
        networks = {PODS: known.pod_cidrs, LOCAL_PODS: known.local_pod_cidrs, OWN: known.node_addresses}
        return {name: _of_family(cidrs, family) for name, cidrs in networks.items()}

    def apply(self, changes: Changes) -> None:
        """See DataPlane."""
        kernel: dict[str, Changes] = {}
        beside: Changes = {}
        for frontend, route in changes.items():
            address = ip_address(frontend.ip)
            if frontend.scope is Scope.HOST or address.is_loopback:
                beside[frontend] = route
            else:
                kernel.setdefault(family_of(frontend.ip), {})[frontend] = route
        self._beside.apply(beside)
        first = not self._taken_over
        for family, table in self._tables.items():
            self._apply(table, kernel.get(family, {}))
        if first:
            self._taken_over = True
            self._clear_leftovers()

    def _clear_leftovers(self) -> None:
        """The last agent of this node may have been killed, and have been a userspace one."""
        try:
            leftovers.clear(self._node_ips)
        except OSError as error:
            _log.warning("cannot clear what a userspace plane left: %s", error)

    def _apply(self, table: FamilyTable, changes: Changes) -> None:
        for frontend, route in changes.items():
            (self._served.add if route is not None else self._served.discard)(frontend)
        if table in self._failing:
            table.note(changes)
            return
        try:
            table.apply(changes)
        except OSError as error:
            _log.warning("nftables refused a change, installing everything anew: %s", error)
            self._reinstall(table)

    def _reinstall(self, table: FamilyTable) -> None:
        try:
            table.install()
            self._well(table)
        except OSError as error:
            _log.error("nftables does not take the table: %s", error)
            self._failing[table] = str(error)
            if self._retry is None:
                self._retry = self._clock.call_later(RETRY_SECONDS, self._try_again)

    def _well(self, table: FamilyTable) -> None:
        if self._failing.pop(table, None):
            _log.info("nftables has taken the table")

    def _try_again(self) -> None:
        self._retry = None
        for table in list(self._failing):
            self._reinstall(table)

    def problems(self) -> dict[Frontend, str]:
        """See DataPlane."""
        reasons = list(self._failing.items())
        mine = {at: why for at in self._served for table, why in reasons if table.serves(at)}
        return mine | self._beside.problems()

    def load(self) -> dict[Frontend, int]:
        """See DataPlane: the kernel's own connections are not counted."""
        return self._beside.load()

    async def stop(self) -> None:
        """See DataPlane."""
        if self._retry is not None:
            self._retry.cancel()
        await self._beside.stop()
        for table in self._tables.values():
            try:
                table.remove()
            except OSError as error:
                _log.warning("cannot remove the nftables table: %s", error)
        if self._netfilter is not None:
            self._netfilter.close()


def _of_family(networks: tuple[str, ...], family: str) -> list[str]:
    return [each for each in networks if family_of(each.partition("/")[0]) == family]
