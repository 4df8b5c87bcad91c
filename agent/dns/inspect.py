"""Questions that people ask through the agent's debug endpoint: answered like any other, with their source."""

from __future__ import annotations

from typing import Any

from agent.dns.names import decode_name, encode_name
from agent.dns.records import Rcode, Type
from agent.dns.responder import Responder
from agent.dns.wire import Query
from agent.dns.zone import Zone
from minikube_py.api.types import ObjectKey

_ASKED = b"\0\0\x01\0\0\1\0\0\0\0\0\0"


async def inspect(name: str, kind: str, *, zone: Zone, responder: Responder, others: str) -> dict[str, Any]:
    """The answer to one question, as a resolver would get it over TCP, with the objects that its records come from.

    ``others`` says who is asked about names outside the cluster. Raises ValueError for what is no name or no type.
    """
    from dnslib import QTYPE, DNSRecord  # 60 ms of import that only this needs

    try:
        number = int(Type[kind.upper()])
    except KeyError:
        raise ValueError(f"unknown record type {kind!r}") from None
    wire = encode_name(name)
    packet = _ASKED + wire + number.to_bytes(2, "big") + b"\0\1"
    answer = responder.respond(packet, tcp=True)
    if isinstance(answer, Query):
        answer = await responder.resolve(answer, tcp=True)
    message = DNSRecord.parse(b"\0\0" + (answer or b""))
    ours = zone.authority(wire) is not None
    return {
        "name": decode_name(wire),
        "type": kind.upper(),
        "rcode": Rcode(message.header.rcode).name,
        "answers": [
            {"name": str(record.rname), "type": QTYPE[record.rtype], "ttl": record.ttl, "data": str(record.rdata)}
            for record in message.rr
        ],
        "from": [_shown(source) for source in zone.source(wire)] if ours else [others],
    }


def _shown(source: object) -> str:
    if isinstance(source, ObjectKey):
        return f"Service {source}"
    if isinstance(source, tuple):
        return f"Namespace {source[1]}"
    return "the zone itself"
