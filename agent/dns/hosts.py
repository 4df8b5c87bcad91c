"""Fixed names that an administrator has written down in hosts-file form: they go before every other source."""

from __future__ import annotations

from collections.abc import Mapping

from agent.dns.names import encode_name, reverse_name
from agent.dns.records import Rcode, Record, RRSets, Type, address_data, address_type
from agent.dns.zone import Answer

_TTL = 30


class StaticHosts:
    """Names with their records. A name that is here is answered from here whatever the type."""

    def __init__(self, records: Mapping[bytes, RRSets]) -> None:
        self._records = records

    def lookup(self, name: bytes, kind: int) -> Answer | None:
        """The answer, None for a name that is not here."""
        if not self._records:
            return None
        found = self._records.get(name)
        if found is None:
            return None
        return Answer(Rcode.NOERROR, tuple(Record(name, kind, _TTL, data) for data in found.get(kind, ())))


def parse_hosts(text: str) -> StaticHosts:
    """Read ``address name…`` lines; what makes no sense is passed over, as libc does."""
    gathered: dict[bytes, dict[int, dict[bytes, None]]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            data, kind = address_data(address), address_type(address)
            wires = [encode_name(name) for name in names]
        except ValueError:
            continue
        for wire in wires:
            gathered.setdefault(wire, {}).setdefault(kind, {})[data] = None
        for wire in wires[:1]:
            gathered.setdefault(reverse_name(address), {}).setdefault(Type.PTR, {})[wire] = None
    return StaticHosts({name: {kind: tuple(data) for kind, data in kinds.items()} for name, kinds in gathered.items()})
