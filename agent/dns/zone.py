"""The cluster's zone: which records there are, as a function of Services, EndpointSlices and Namespaces. No I/O.

A change recomputes the records of the one Service it concerns and tells which names may now be answered differently.
Names are wire names in lower case. Absence is told apart as RFC 2308 and RFC 8020 have it: a name with anything at or
below it exists.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.dns.names import ancestors, encode_name, labels_of_name, reverse_zones
from agent.dns.records import (
    Rcode,
    Record,
    RRSets,
    Type,
    address_data,
    address_type,
    soa_data,
    srv_target,
    txt_data,
)
from agent.dns.servicerecords import Contribution, service_records
from agent.dns.views import ServiceView, SliceView
from minikube_py.api.types import ObjectKey

SPECIFICATION_VERSION = "1.1.0"
_VERSION_TTL = 28800


class Answer(NamedTuple):
    """What the zone knows about a question.

    ``alias`` is the target of a CNAME that was met instead of the type asked for; ``soa`` goes along with a negative
    answer. An answer holds until a change of its name is announced.
    """

    rcode: Rcode
    answers: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    soa: Record | None = None
    alias: bytes | None = None


@dataclass(slots=True)
class _Node:
    """A name: what each contributor has there, and how many names there are below."""

    contributions: dict[object, RRSets] = field(default_factory=dict)
    below: int = 0


class Zone:
    """The records of one cluster.

    ``dns_ips`` are the addresses of its name servers, ``cidrs`` those of its pods and Services: of their reverse names
    nobody else can know anything. ``ttl`` is in seconds, negative answers included.
    """

    def __init__(self, *, domain: str, dns_ips: Sequence[str] = (), cidrs: Iterable[str] = (), ttl: int = 5) -> None:
        self.domain = domain.rstrip(".").lower()
        self.apex = encode_name(self.domain)
        self.ttl = ttl
        self._pod_suffix = encode_name(f"pod.{self.domain}")
        self._reverse = {zone for cidr in cidrs for zone in reverse_zones(cidr)}
        self._nodes: dict[bytes, _Node] = {}
        self._services: dict[ObjectKey, ServiceView] = {}
        self._slices: dict[ObjectKey, SliceView] = {}
        self._slices_of: dict[ObjectKey, dict[ObjectKey, SliceView]] = {}
        self._contributed: dict[object, Contribution] = {}
        self._namespaces: set[bytes] = set()
        primary = encode_name(f"ns.dns.{self.domain}")
        self._soa = soa_data(primary, encode_name(f"hostmaster.{self.domain}"), serial=1, minimum=ttl)
        self._apex_soa = Record(self.apex, Type.SOA, ttl, self._soa)
        self._set_contribution("zone", self._fixed_records(primary, dns_ips))

    def _fixed_records(self, primary: bytes, dns_ips: Sequence[str]) -> Contribution:
        addresses: RRSets = {}
        for address in dns_ips:
            kind = address_type(address)
            addresses[kind] = (*addresses.get(kind, ()), address_data(address))
        return {
            self.apex: {Type.SOA: (self._soa,), Type.NS: (primary,)},
            primary: addresses,
            encode_name(f"dns-version.{self.domain}"): {Type.TXT: (txt_data(SPECIFICATION_VERSION),)},
            encode_name(f"svc.{self.domain}"): {},
            self._pod_suffix: {},
        }

    # What is fed into it

    def set_service(self, key: ObjectKey, service: ServiceView | None) -> set[bytes]:
        """A Service came, changed or (None) went. The names whose answers may differ now."""
        if service is None:
            self._services.pop(key, None)
        else:
            self._services[key] = service
        return self._recompute(key)

    def set_slice(self, key: ObjectKey, part: SliceView | None) -> set[bytes]:
        """An EndpointSlice came, changed or (None) went. The names whose answers may differ now."""
        changed: set[bytes] = set()
        old = self._slices.pop(key, None)
        if old is not None:
            siblings = self._slices_of[old.service]
            del siblings[key]
            if not siblings:
                del self._slices_of[old.service]
        if part is not None:
            self._slices[key] = part
            self._slices_of.setdefault(part.service, {})[key] = part
        for service in {view.service for view in (old, part) if view is not None}:
            changed |= self._recompute(service)
        return changed

    def set_namespace(self, name: str, exists: bool) -> set[bytes]:
        """A Namespace came or went: its names under ``svc`` and ``pod`` exist even when they hold nothing."""
        names = [encode_name(f"{name}.{kind}.{self.domain}") for kind in ("svc", "pod")]
        (self._namespaces.add if exists else self._namespaces.discard)(names[1])
        return self._set_contribution(("namespace", name), {wire: {} for wire in names} if exists else {})

    # What it answers

    def authority(self, name: bytes) -> bytes | None:
        """The zone of ours that ``name`` lies in; None where other servers are to be asked."""
        if name.endswith(self.apex):
            return self.apex
        if not name.endswith(_ARPA):
            return None
        node = self._nodes.get(name)
        if node is not None and node.contributions:
            return name
        return next((above for above in (name, *ancestors(name)) if above in self._reverse), None)

    def lookup(self, name: bytes, kind: int) -> Answer:
        """The answer to a question about a name that some zone of ours is the authority for."""
        sets = self._pod_record(name) if name.endswith(self._pod_suffix) else None
        if sets is None:
            node = self._nodes.get(name)
            if node is None:
                return Answer(Rcode.NXDOMAIN, soa=self._start_of(name))
            sets = _merged(node)
        return self._found(name, sets, kind)

    def _start_of(self, name: bytes) -> Record:
        if name.endswith(self.apex):
            return self._apex_soa
        return Record(self.authority(name) or self.apex, Type.SOA, self.ttl, self._soa)

    def _found(self, name: bytes, sets: RRSets, kind: int) -> Answer:
        alias = sets.get(Type.CNAME)
        if alias and kind not in (Type.CNAME, Type.ANY):
            return Answer(Rcode.NOERROR, (Record(name, Type.CNAME, self.ttl, alias[0]),), alias=alias[0])
        wanted = sets if kind == Type.ANY else {kind: sets.get(kind, ())}
        ttl = _VERSION_TTL if Type.TXT in sets else self.ttl
        answers = tuple(Record(name, each, ttl, data) for each, values in wanted.items() for data in values)
        if not answers:
            return Answer(Rcode.NOERROR, soa=self._start_of(name))
        return Answer(Rcode.NOERROR, answers, self._additional(sets) if kind == Type.SRV else ())

    def _additional(self, sets: RRSets) -> tuple[Record, ...]:
        """The addresses of SRV targets, which spare the client a second question."""
        targets = dict.fromkeys(srv_target(data) for data in sets.get(Type.SRV, ()))
        found = []
        for target in targets:
            node = self._nodes.get(target)
            held = _merged(node) if node is not None else {}
            found += [Record(target, kind, self.ttl, data) for kind in _ADDRESSES for data in held.get(kind, ())]
        return tuple(found)

    def _pod_record(self, name: bytes) -> RRSets | None:
        """``10-244-0-5.default.pod.cluster.local``: any address in any namespace there is (specification, 2.6)."""
        labels = labels_of_name(name[: -len(self._pod_suffix)] + b"\0")
        if len(labels) != 2 or name[1 + len(labels[0]) :] not in self._namespaces:
            return None
        text = labels[0].decode("latin-1")
        dotted = text.replace("-", "." if text.count("-") == 3 and "--" not in text else ":")
        try:
            address = ipaddress.ip_address(dotted)
        except ValueError:
            return None
        return {Type.A if address.version == 4 else Type.AAAA: (address.packed,)}

    def source(self, name: bytes) -> list[object]:
        """Who contributes records at a name: keys of Services, for people who ask where an answer comes from."""
        node = self._nodes.get(name)
        return list(node.contributions) if node is not None else []

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._nodes)

    # How changes are made

    def _recompute(self, key: ObjectKey) -> set[bytes]:
        service = self._services.get(key)
        slices = self._slices_of.get(key, {})
        wanted = service_records(service, slices.values(), self.domain) if service is not None else {}
        return self._set_contribution(key, wanted)

    def _set_contribution(self, owner: object, wanted: Contribution) -> set[bytes]:
        """Replace what ``owner`` contributes. Every name of it counts as changed when one of them is: an SRV answer
        carries its siblings' addresses."""
        before = self._contributed.get(owner, {})
        if before == wanted:
            return set()
        changed = set(before) | set(wanted)
        for name in before.keys() - wanted.keys():
            changed |= self._withdraw(name, owner)
        for name, sets in wanted.items():
            changed |= self._place(name, owner, sets)
        if wanted:
            self._contributed[owner] = wanted
        else:
            self._contributed.pop(owner, None)
        return changed

    def _place(self, name: bytes, owner: object, sets: RRSets) -> set[bytes]:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = _Node()
        first = not node.contributions
        node.contributions[owner] = sets
        if not first:
            return set()
        return {above for above in ancestors(name) if self._count(above, 1)}

    def _withdraw(self, name: bytes, owner: object) -> set[bytes]:
        node = self._nodes[name]
        del node.contributions[owner]
        if node.contributions:
            return set()
        self._drop_if_empty(name, node)
        return {above for above in ancestors(name) if self._count(above, -1)}

    def _count(self, name: bytes, by: int) -> bool:
        """Count names below ``name``; True where its existence changes."""
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = _Node()
        existed = bool(node.below or node.contributions)
        node.below += by
        self._drop_if_empty(name, node)
        return existed != bool(node.below or node.contributions)

    def _drop_if_empty(self, name: bytes, node: _Node) -> None:
        if not node.below and not node.contributions:
            del self._nodes[name]

    def snapshot(self) -> dict[bytes, RRSets]:
        """Every name that exists with its records, for comparison and for debugging."""
        return {name: {kind: tuple(sorted(data)) for kind, data in _merged(node).items()} for name, node in
                self._nodes.items()}  # fmt: skip


_ADDRESSES = (Type.A, Type.AAAA)
_ARPA = encode_name("arpa")


def _merged(node: _Node) -> RRSets:
    """The records at a node; nearly always those of a single contributor."""
    if len(node.contributions) == 1:
        return next(iter(node.contributions.values()))
    merged: RRSets = {}
    for sets in node.contributions.values():
        for kind, values in sets.items():
            merged[kind] = tuple(dict.fromkeys((*merged.get(kind, ()), *values)))
    return merged
