"""The nftables data plane: keeps the kernel's maps equal to the table, one transaction per change.

What it cannot carry, front ends on the host and on the node's loopback, is carried by a userspace plane beside it.
After a transaction that the kernel refused everything is installed anew, so one bad element never lasts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from minikube_py.dataplane.model import Changes, Frontend, PortKey, Route
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.conntrack import Place, forget_stale
from minikube_py.dataplane.nftables.layout import (
    AFFINITY,
    CHAINS,
    LOCAL_CHAINS,
    LOCALS,
    SERVICES,
    Chain,
    Guard,
    Layout,
    StickyNumbers,
    affinity_key_number,
    family_of_front_end,
    layout_of,
    packed_address,
)
from minikube_py.dataplane.nftables.netfilter import LARGEST_TRANSACTION, Netfilter, Transaction
from minikube_py.dataplane.nftables.rules import Family, interval
from minikube_py.linux.rtmessages import attributes, text

_log = logging.getLogger(__name__)

TABLE = "minik"
_ELEMENTS_PER_MESSAGE = 400
#: An element may only be added once what it leads to is there.
_LAST = (LOCAL_CHAINS, CHAINS, LOCALS, SERVICES)


def drop_tables(netfilter: Netfilter) -> None:
    """Takes away what another agent left, if it left anything. Raises OSError."""
    transaction = Transaction()
    for family in (nf.IPV4, nf.IPV6):
        transaction.add(nf.NEW_TABLE, family, nf.table_body(TABLE), nf.CREATE)
        transaction.add(nf.DELETE_TABLE, family, nf.table_body(TABLE))
    netfilter.commit(transaction)


class FamilyTable:
    """One address family's table in the kernel and what is in it."""

    def __init__(self, family: Family, netfilter: Netfilter, *, networks: Mapping[str, Iterable[str]]) -> None:
        """``networks`` are the contents of the sets PODS, LOCAL_PODS and OWN."""
        self._family = family
        self._netfilter = netfilter
        self._networks = {name: tuple(cidrs) for name, cidrs in networks.items()}
        self._routes: dict[Frontend, Route] = {}
        self._layouts: dict[Frontend, Layout] = {}
        self._elements: dict[tuple[str, bytes], bytes | None] = {}
        self._uses: Counter[tuple[str, bytes]] = Counter()
        self._chains: set[Chain] = set()
        self._guards: set[Guard] = set()
        self.installed = False
        self._sticky = StickyNumbers()
        self._sticky_fronts: dict[PortKey, set[Frontend]] = {}
        self._chain_uses: Counter[Chain] = Counter()

    def probe(self) -> None:
        """Finds out whether the kernel takes tables of this family. Raises OSError."""
        transaction = Transaction()
        transaction.add(nf.NEW_TABLE, self._family.family, nf.table_body(TABLE), nf.CREATE)
        self._netfilter.commit(transaction)

    def install(self) -> None:
        """Makes the table anew with all routes known, in one step unless there are thousands. Raises OSError."""
        self.installed = False
        for known in (self._layouts, self._elements, self._uses, self._chains, self._guards, self._chain_uses):
            known.clear()
        routes: Changes = dict(self._routes)
        self._program(routes, self._anew())
        self.installed = True
        self._forget_udp(routes)

    def _anew(self) -> Transaction:
        """An empty table in place of any other."""
        transaction = Transaction()
        number = self._family.family
        transaction.add(nf.NEW_TABLE, number, nf.table_body(TABLE), nf.CREATE)
        transaction.add(nf.DELETE_TABLE, number, nf.table_body(TABLE))
        transaction.add(nf.NEW_TABLE, number, nf.table_body(TABLE), nf.CREATE)
        for body in self._family.sets(TABLE):
            transaction.add(nf.NEW_SET, number, body, nf.CREATE)
        for name, networks in self._networks.items():
            for cidr in networks:
                self._put(transaction, name, interval(cidr))
        for name, rules in self._family.fixed_chains().items():
            self._add_chain(transaction, name, rules)
        for name, (hook, rules) in self._family.base_chains().items():
            self._add_chain(transaction, name, rules, hook)
        return transaction

    def remove(self) -> None:
        """Takes the table away. Raises OSError."""
        transaction = Transaction()
        transaction.add(nf.DELETE_TABLE, self._family.family, nf.table_body(TABLE))
        self._netfilter.commit(transaction)

    def apply(self, changes: Changes) -> None:
        """Carries out changes. Raises OSError where the kernel refuses; ``install`` then starts over with them."""
        before = self.note(changes)
        if not self.installed:
            self.install()
        elif changes:
            self.installed = False  # until the kernel has taken all of it
            self._program(changes, Transaction())
            self.installed = True
            self._forget_affinity(before)
            self._forget_udp(changes)
        for port in [port for port, fronts in self._sticky_fronts.items() if not fronts]:
            del self._sticky_fronts[port]
            self._sticky.forget(port)

    def note(self, changes: Changes) -> dict[Frontend, Route | None]:
        """Remembers changes for the next ``install``, and says what they replace."""
        before = {frontend: self._routes.get(frontend) for frontend in changes}
        self._note_sticky(before, changes)
        for frontend, route in changes.items():
            if route is None:
                self._routes.pop(frontend, None)
            else:
                self._routes[frontend] = route
        return before

    def _note_sticky(self, before: dict[Frontend, Route | None], changes: Changes) -> None:
        """Affinity belongs to a Service port, and several front ends may lead to it."""
        for frontend, route in before.items():
            if route is not None and route.affinity_seconds:
                self._sticky_fronts[route.port].discard(frontend)
        for frontend, route in changes.items():
            if route is not None and route.affinity_seconds:
                self._sticky_fronts.setdefault(route.port, set()).add(frontend)

    def _program(self, changes: Changes, transaction: Transaction) -> None:
        removed: dict[tuple[str, bytes], bytes | None] = {}
        added: dict[tuple[str, bytes], bytes | None] = {}
        chains: set[Chain] = set()
        guards: set[Guard] = set()
        left: set[Chain] = set()
        unguarded: set[Guard] = set()
        for frontend, route in changes.items():
            old = self._layouts.pop(frontend, None)
            if old is not None:
                self._release(old, removed)
                left |= old.chains
                unguarded |= old.guards
            if route is not None:
                layout = layout_of(route, sticky=self._sticky.of(route.port) if route.affinity_seconds else 0)
                self._layouts[frontend] = layout
                self._claim(layout, removed, added)
                chains |= layout.chains
                guards |= layout.guards
        # Plain chains are few, one per number of endpoints, and stay; those of one Service go with it.
        left = {chain for chain in left if chain.sticky and not self._chain_uses[chain]}
        unguarded -= guards
        doomed = [chain.name for chain in left] + [guard.name for guard in unguarded]
        self._add_new_chains(transaction, chains - self._chains, guards - self._guards)
        self._commit(transaction, removed, added, doomed)
        self._chains = (self._chains | chains) - left
        self._guards = (self._guards | guards) - unguarded

    def _release(self, layout: Layout, removed: dict[tuple[str, bytes], bytes | None]) -> None:
        """Hairpin elements and chains may belong to several front ends, hence the counting."""
        self._chain_uses.subtract(layout.chains)
        for key, data in layout.elements.items():
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._uses[key]
                removed[key] = data
                del self._elements[key]

    def _claim(
        self,
        layout: Layout,
        removed: dict[tuple[str, bytes], bytes | None],
        added: dict[tuple[str, bytes], bytes | None],
    ) -> None:
        self._chain_uses.update(layout.chains)
        for key, data in layout.elements.items():
            self._uses[key] += 1
            if key in self._elements:
                continue
            self._elements[key] = data
            if key in removed and removed[key] == data:
                del removed[key]
            else:
                added[key] = data

    def _add_new_chains(self, transaction: Transaction, chains: set[Chain], guards: set[Guard]) -> None:
        for chain in chains:
            transaction.add(nf.NEW_CHAIN, self._family.family, nf.chain_body(TABLE, chain.name), nf.CREATE)
        for chain in chains:
            self._add_rules(transaction, chain.name, self._family.rules(chain))
        for guard in guards:
            self._add_chain(transaction, guard.name, self._family.guard_rules(guard))

    def _commit(
        self,
        transaction: Transaction,
        removed: dict[tuple[str, bytes], bytes | None],
        added: dict[tuple[str, bytes], bytes | None],
        doomed: list[str],
    ) -> None:
        for name, elements in _by_set(removed):
            self._put(transaction, name, [nf.element(key) for key, _ in elements], kind=nf.DELETE_ELEMENT)
            transaction = self._split(transaction)
        for name, elements in _by_set(added):
            self._put(transaction, name, [nf.element(key, data) for key, data in elements])
            transaction = self._split(transaction)
        for name in doomed:
            transaction.add(nf.DELETE_RULE, self._family.family, nf.rules_of_chain_body(TABLE, name))
        for name in doomed:
            transaction.add(nf.DELETE_CHAIN, self._family.family, nf.chain_body(TABLE, name))
        self._netfilter.commit(transaction)

    def _split(self, transaction: Transaction) -> Transaction:
        """A datagram has a largest size; a change of thousands of Services takes several."""
        if transaction.size < LARGEST_TRANSACTION - 100_000:
            return transaction
        self._netfilter.commit(transaction)
        return Transaction()

    def _add_chain(
        self,
        transaction: Transaction,
        name: str,
        rules: list[tuple[bytes, ...]],
        hook: tuple[str, int, int] | None = None,
    ) -> None:
        transaction.add(nf.NEW_CHAIN, self._family.family, nf.chain_body(TABLE, name, hook), nf.CREATE)
        self._add_rules(transaction, name, rules)

    def _add_rules(self, transaction: Transaction, name: str, rules: list[tuple[bytes, ...]]) -> None:
        for rule in rules:
            body = nf.rule_body(TABLE, name, *rule)
            transaction.add(nf.NEW_RULE, self._family.family, body, nf.CREATE | nf.APPEND)

    def _put(self, transaction: Transaction, name: str, elements: list[bytes], kind: int = nf.NEW_ELEMENT) -> None:
        flags = nf.CREATE if kind == nf.NEW_ELEMENT else 0
        transaction.add(kind, self._family.family, nf.elements_body(TABLE, name, elements), flags)

    def _forget_affinity(self, before: dict[Frontend, Route | None]) -> None:
        """Clients that stick to an endpoint that is gone are let go."""
        kept: dict[int, frozenset[bytes]] = {}
        for port in {old.port for old in before.values() if old is not None and old.affinity_seconds}:
            routes = [self._routes[frontend] for frontend in self._sticky_fronts[port]]
            number = self._sticky.of(port) * 2
            kept[number] = _endpoint_data(each for route in routes for each in route.inside.endpoints)
            kept[number + 1] = _endpoint_data(each for route in routes for each in route.outside.endpoints)
        if not kept:
            return
        keys = [key for key, data in self._affinity() if data not in kept.get(affinity_key_number(key), {data})]
        for start in range(0, len(keys), _ELEMENTS_PER_MESSAGE):
            transaction = Transaction()
            chunk = [nf.element(key) for key in keys[start : start + _ELEMENTS_PER_MESSAGE]]
            self._put(transaction, AFFINITY, chunk, kind=nf.DELETE_ELEMENT)
            try:
                self._netfilter.commit(transaction)
            except FileNotFoundError:
                continue  # it expired in between; the next change looks again

    def _affinity(self) -> list[tuple[bytes, bytes]]:
        bodies = self._netfilter.dump(nf.GET_ELEMENT, self._family.family, text(1, TABLE), text(2, AFFINITY))
        found = []
        for body in bodies:
            for entry in _list(attributes(body).get(3, b"")):
                attrs = attributes(entry)
                key, data = attributes(attrs[1])[1], attributes(attrs[2])[1]
                found.append((key, data))
        return found

    def _forget_udp(self, changes: Changes) -> None:
        current: dict[Place, frozenset[Place]] = {}
        for frontend, route in changes.items():
            if frontend.protocol == "UDP":
                ends = (*route.inside.endpoints, *route.outside.endpoints) if route else ()
                places = frozenset((packed_address(each.ip), each.port) for each in ends)
                current[packed_address(frontend.ip), frontend.port] = places
        if current:
            forget_stale(self._netfilter, self._family.family, current)

    def serves(self, frontend: Frontend) -> bool:
        """Whether the front end is of this family."""
        return family_of_front_end(frontend) == self._family.family


def _endpoint_data(endpoints: Iterable[object]) -> frozenset[bytes]:
    return frozenset(
        packed_address(each.ip) + each.port.to_bytes(2, "big") + b"\0\0"  # type: ignore[attr-defined]
        for each in endpoints
    )


def _by_set(
    elements: dict[tuple[str, bytes], bytes | None],
) -> Iterable[tuple[str, list[tuple[bytes, bytes | None]]]]:
    """Elements by set in messages of bearable size; those that others must precede come last."""
    sets: dict[str, list[tuple[bytes, bytes | None]]] = {}
    for (name, key), data in elements.items():
        sets.setdefault(name, []).append((key, data))
    for name in sorted(sets, key=lambda each: _LAST.index(each) if each in _LAST else -1):
        of_set = sets[name]
        for start in range(0, len(of_set), _ELEMENTS_PER_MESSAGE):
            yield name, of_set[start : start + _ELEMENTS_PER_MESSAGE]


def _list(data: bytes) -> Iterable[bytes]:
    """The entries of a nested list, whose attributes all have the same type."""
    offset = 0
    while offset + 4 <= len(data):
        length = int.from_bytes(data[offset : offset + 2], "little")
        if length < 4:
            return
        yield data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
