"""The rules of every chain of the layout, for one address family. Pure."""

from __future__ import annotations

import struct
from ipaddress import ip_network

from minikube_py.dataplane.nftables import expressions as ex
from minikube_py.dataplane.nftables import messages as nf
from minikube_py.dataplane.nftables.layout import (
    AFFINITY,
    CHAINS,
    DROP_CHAIN,
    ENDPOINTS,
    HAIRPINS,
    IDENTITIES,
    LOCAL,
    LOCAL_CHAINS,
    LOCAL_PODS,
    LOCALS,
    OWN,
    PODS,
    REFUSE_CHAIN,
    SERVICES,
    Chain,
    Guard,
)

MASQUERADE_BIT = 0x4000
Rule = tuple[bytes, ...]

_TCP, _TCP_FLAGS, _SYN, _ACK = 6, 13, 0x02, 0x10
_DNAT_PRIORITY, _SNAT_PRIORITY = -100, 100
ICMP_PORT_UNREACHABLE = {nf.IPV4: 3, nf.IPV6: 4}


class Family:
    """Where an IP version keeps what the rules read. ``node_ip`` is what masquerading puts in the client's place."""

    def __init__(self, family: int, node_ip: bytes) -> None:
        self.family = family
        self.node_ip = node_ip
        self.length = 4 if family == nf.IPV4 else 16
        self.address_type = nf.TYPE_IPV4 if family == nf.IPV4 else nf.TYPE_IPV6
        self._words = self.length // 4
        self._source = 12 if family == nf.IPV4 else 8

    def sets(self, table: str) -> list[tuple[bytes, ...]]:
        """Bodies of NEW_SET for all sets."""
        address, length = self.address_type, self.length
        front = nf.concatenated(address, nf.TYPE_PROTOCOL, nf.TYPE_PORT), length + 8
        endpoint = nf.concatenated(address, nf.TYPE_PORT), length + 4
        verdict = nf.DATA_VERDICT, 0
        indexed = nf.concatenated(address, nf.TYPE_PROTOCOL, nf.TYPE_PORT, nf.TYPE_MARK), length + 12
        client = nf.concatenated(address, nf.TYPE_MARK), length + 4
        pair = nf.concatenated(address, address), length * 2
        label = nf.concatenated(nf.TYPE_MARK, nf.TYPE_MARK), 8
        number = IDENTITIES
        return [
            nf.set_body(table, SERVICES, key=front, data=label, identity=number[SERVICES]),
            nf.set_body(table, CHAINS, key=label, data=verdict, identity=number[CHAINS]),
            nf.set_body(table, ENDPOINTS, key=indexed, data=endpoint, identity=number[ENDPOINTS]),
            nf.set_body(table, LOCALS, key=front, data=label, identity=number[LOCALS]),
            nf.set_body(table, LOCAL_CHAINS, key=label, data=verdict, identity=number[LOCAL_CHAINS]),
            nf.set_body(table, PODS, key=(address, length), flags=nf.SET_INTERVAL, identity=number[PODS]),
            nf.set_body(table, LOCAL_PODS, key=(address, length), flags=nf.SET_INTERVAL, identity=number[LOCAL_PODS]),
            nf.set_body(table, OWN, key=(address, length), flags=nf.SET_INTERVAL, identity=number[OWN]),
            nf.set_body(table, HAIRPINS, key=pair, identity=number[HAIRPINS]),
            nf.set_body(
                table,
                AFFINITY,
                key=client,
                data=endpoint,
                flags=nf.SET_TIMEOUT | nf.SET_EVAL,
                size=65_536,
                timeout_ms=10_800_000,
                identity=number[AFFINITY],
            ),
        ]

    def base_chains(self) -> dict[str, tuple[tuple[str, int, int], list[Rule]]]:
        """The chains that are hooked into the kernel."""
        dispatch = [self._dispatch(SERVICES, CHAINS)]
        return {
            "prerouting": (("nat", nf.PREROUTING, _DNAT_PRIORITY), dispatch),
            "output": (("nat", nf.OUTPUT, _DNAT_PRIORITY), dispatch),
            "postrouting": (("nat", nf.POSTROUTING, _SNAT_PRIORITY), self._masquerading()),
        }

    def fixed_chains(self) -> dict[str, list[Rule]]:
        """The chains for those who get nothing."""
        return {DROP_CHAIN: [(ex.decide(nf.DROP),)], REFUSE_CHAIN: refusing(ICMP_PORT_UNREACHABLE[self.family])}

    def rules(self, chain: Chain) -> list[Rule]:
        """The rules of one chain for a number of endpoints."""
        if chain.kind == "e":
            pods, own = chain.needs
            return [
                (*self._from(LOCAL_PODS), ex.decide(nf.GOTO, pods.name)),
                (*self._from(OWN), ex.decide(nf.GOTO, own.name)),
                self._dispatch(LOCALS, LOCAL_CHAINS),
            ]
        rules: list[Rule] = []
        if chain.kind == "c":
            rules.append((*self._from(PODS, inverted=True), *ex.raise_mark_bit(ex.REGISTER, MASQUERADE_BIT)))
        elif chain.kind == "m":
            rules.append(ex.raise_mark_bit(ex.REGISTER, MASQUERADE_BIT))
        if chain.sticky:
            rules.append(self._known_client(chain))
        rules.append(self._draw(chain))
        return rules

    def guard_rules(self, guard: Guard) -> list[Rule]:
        """The rules that let some sources through."""
        rules: list[Rule] = []
        for network in map(ip_network, guard.ranges):
            mask, address = network.netmask.packed, network.network_address.packed
            test = (ex.masked(ex.REGISTER, mask), ex.equal(ex.REGISTER, address))
            rules.append((self._load_source(), *test, ex.decide(nf.GOTO, guard.target)))
        return [*rules, (ex.decide(nf.DROP),)]

    def _masquerading(self) -> list[Rule]:
        register = ex.REGISTER
        to_node = ex.immediate(register, self.node_ip), ex.source_nat(self.family, register)
        bit = struct.pack("=I", MASQUERADE_BIT)
        marked = ex.load_mark(register), ex.masked(register, bit), ex.equal(register, bit)
        length, words = self.length, self._words
        both = (self._load_source(), ex.load_network(register + words, self._source + length, length))
        hairpin = *both, ex.member(HAIRPINS, IDENTITIES[HAIRPINS], register)
        # A pod elsewhere that came by a node port of ours, and goes elsewhere: the answers must come by here again.
        passing = (*self._from(PODS), *self._from(LOCAL_PODS, inverted=True), *self._to_elsewhere())
        return [(*marked, *to_node), (*hairpin, *to_node), (*passing, *to_node)]

    def _to_elsewhere(self) -> Rule:
        destination = ex.load_network(ex.REGISTER, self._source + self.length, self.length)
        return destination, ex.member(LOCAL_PODS, IDENTITIES[LOCAL_PODS], ex.REGISTER, inverted=True)

    def _load_source(self) -> bytes:
        return ex.load_network(ex.REGISTER, self._source, self.length)

    def _front_key(self) -> Rule:
        after = ex.REGISTER + self._words
        return (
            ex.load_network(ex.REGISTER, self._source + self.length, self.length),
            ex.load_l4_protocol(after),
            ex.load_transport(after + 1, 2, 2),
        )

    def _dispatch(self, front_ends: str, chains: str) -> Rule:
        label = ex.REGISTER + self._words + 2
        found = ex.lookup(front_ends, IDENTITIES[front_ends], ex.REGISTER, label)
        return *self._front_key(), found, ex.dispatch(chains, IDENTITIES[chains], label)

    def _from(self, name: str, *, inverted: bool = False) -> Rule:
        return self._load_source(), ex.member(name, IDENTITIES[name], ex.REGISTER, inverted=inverted)

    def _draw(self, chain: Chain) -> Rule:
        """A random endpoint; of a sticky Service, remembered for the client."""
        result = ex.REGISTER + self._words + 3
        offset = LOCAL if chain.kind == "k" else 0
        rule = (
            *self._front_key(),
            ex.random_number(ex.REGISTER + self._words + 2, chain.size, offset),
            ex.lookup(ENDPOINTS, IDENTITIES[ENDPOINTS], ex.REGISTER, result),
        )
        if chain.sticky:
            rule += *self._client_key(chain), self._remember(chain, result)
        return *rule, self._to(result)

    def _known_client(self, chain: Chain) -> Rule:
        result = ex.REGISTER + self._words + 3
        found = ex.lookup(AFFINITY, IDENTITIES[AFFINITY], ex.REGISTER, result)
        return *self._client_key(chain), found, self._remember(chain, result), self._to(result)

    def _client_key(self, chain: Chain) -> Rule:
        number = ex.immediate(ex.REGISTER + self._words, struct.pack("=I", chain.sticky))
        return self._load_source(), number

    def _remember(self, chain: Chain, result: int) -> bytes:
        return ex.remember(AFFINITY, IDENTITIES[AFFINITY], ex.REGISTER, result, chain.seconds * 1000)

    def _to(self, result: int) -> bytes:
        return ex.destination_nat(self.family, result, result + self._words)


def refusing(icmp_code: int) -> list[Rule]:
    """Rules that refuse new clients.

    TCP with a reset, which reaches a socket of this node too while it is still connecting, and only its first packet:
    connections that drain go on.
    """
    tcp = ex.load_l4_protocol(ex.REGISTER), ex.equal(ex.REGISTER, bytes([_TCP]))
    other = ex.load_l4_protocol(ex.REGISTER), ex.differs(ex.REGISTER, bytes([_TCP]))
    flags = ex.load_transport(ex.REGISTER, _TCP_FLAGS, 1), ex.masked(ex.REGISTER, bytes([_SYN | _ACK]))
    first = *flags, ex.equal(ex.REGISTER, bytes([_SYN]))
    return [(*tcp, *first, ex.reset()), (*other, ex.reject(icmp_code))]


def interval(cidr: str) -> list[bytes]:
    """The elements of an interval set for one network: its first address, and the first one behind it."""
    network = ip_network(cidr)
    length = len(network.network_address.packed)
    elements = [nf.element(network.network_address.packed)]
    behind = int(network.broadcast_address) + 1
    if behind < 1 << (8 * length):
        elements.append(nf.element(behind.to_bytes(length, "big"), flags=nf.ELEMENT_INTERVAL_END))
    return elements
