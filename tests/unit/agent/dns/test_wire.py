"""Messages, read and written, with dnslib as the judge."""

from __future__ import annotations

import random
import struct

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSRecord

from agent.dns.names import encode_name
from agent.dns.records import Rcode, Record, Type, address_data, srv_data
from agent.dns.wire import (
    EDNS_LIMIT,
    PLAIN_LIMIT,
    TCP_LIMIT,
    Refused,
    Unanswerable,
    encode_answer,
    error_response,
    parse_query,
)
from agent.dns.zone import Answer

NAME = encode_name("web.default.svc.cluster.local")


def question(
    name: str = "web.default.svc.cluster.local", kind: str = "A", *, edns: int | None = None, do: bool = False
) -> bytes:
    record = DNSRecord.question(name, kind)
    record.header.id = 1  # dnslib takes a random one, and test ids must not differ from run to run
    if edns is not None:
        record.add_ar(EDNS0(udp_len=edns, flags="do" if do else ""))
    return bytes(record.pack())


def addresses(count: int, owner: bytes = NAME) -> tuple[Record, ...]:
    return tuple(Record(owner, Type.A, 5, address_data(f"10.0.{n // 256}.{n % 256}")) for n in range(count))


def decoded(tail: bytes) -> DNSRecord:
    return DNSRecord.parse(b"\x12\x34" + tail)


def test_a_question_is_read() -> None:
    query = parse_query(question("Web.Default.svc.cluster.local"))
    assert (query.name, query.kind, query.edns, query.limit) == (NAME, Type.A, False, PLAIN_LIMIT)
    assert query.question[1:4] == b"Web"


@pytest.mark.parametrize(("payload", "limit"), [(0, 512), (512, 512), (1000, 1000), (1232, 1232), (65535, EDNS_LIMIT)])
def test_edns_sets_the_limit(payload: int, limit: int) -> None:
    query = parse_query(question(edns=payload, do=True))
    assert (query.limit, query.edns, query.dnssec_ok) == (limit, True, True)


@pytest.mark.parametrize("data", [b"", b"\0" * 11, b"\0\1\x80\0" + b"\0" * 8])
def test_what_is_no_question_gets_no_answer(data: bytes) -> None:
    with pytest.raises(Unanswerable):
        parse_query(data)


GOOD = question()
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def header(flags: int = 0x0100, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    return struct.pack("!HHHHHH", 1, flags, *counts)


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (header(0x2800) + GOOD[12:], Rcode.NOTIMP),
        (header(counts=(0, 0, 0, 0)), Rcode.FORMERR),
        (header(counts=(2, 0, 0, 0)) + GOOD[12:] * 2, Rcode.FORMERR),
        (header(counts=(1, 1, 0, 0)) + GOOD[12:], Rcode.FORMERR),
        (GOOD[:-1], Rcode.FORMERR),
        (GOOD[:20], Rcode.FORMERR),
        (header() + b"\xc0\x0c\0\1\0\1", Rcode.FORMERR),
        (header() + b"\x40" + b"x" * 64 + b"\0\0\1\0\1", Rcode.FORMERR),
        (header() + (b"\x3f" + b"x" * 63) * 4 + b"\0\0\1\0\1", Rcode.FORMERR),
        (header() + b"\x01x\0\0\1\0\3", Rcode.REFUSED),
        (header(counts=(1, 0, 0, 1)) + GOOD[12:], Rcode.FORMERR),
        (header(counts=(1, 0, 0, 1)) + GOOD[12:] + OPT[:-1], Rcode.FORMERR),
        (header(counts=(1, 0, 0, 1)) + GOOD[12:] + OPT[:-1] + b"\x09", Rcode.FORMERR),
        (header(counts=(1, 0, 0, 2)) + GOOD[12:] + OPT * 2, Rcode.FORMERR),
        (header(counts=(1, 0, 0, 1)) + GOOD[12:] + b"\x01x" + OPT, Rcode.FORMERR),
        (header(counts=(1, 0, 0, 1)) + GOOD[12:] + OPT[:6] + b"\x01" + OPT[7:], Rcode.BADVERS),
    ],
)  # fmt: skip
def test_wrong_questions_are_told_so(data: bytes, rcode: int) -> None:
    with pytest.raises(Refused) as raised:
        parse_query(data)
    assert raised.value.rcode == rcode


def test_records_other_than_opt_are_passed_over() -> None:
    tsig = b"\0\0\xfa\0\xff\0\0\0\0\0\2xx"
    query = parse_query(header(counts=(1, 0, 0, 2)) + GOOD[12:] + tsig + OPT)
    assert query.edns


def test_no_bytes_harm() -> None:
    """Property: anything at all is read, refused or dropped."""
    chooser = random.Random(5)
    seeds = [question(edns=1232), GOOD, bytes(DNSRecord.question("a.b.c", "ANY").pack())]
    for _ in range(20_000):
        data = bytearray(chooser.choice(seeds))
        for _ in range(chooser.randrange(1, 6)):
            data[chooser.randrange(len(data))] = chooser.randrange(256)
        packet = bytes(data[: chooser.randrange(len(data) + 1)])
        try:
            query = parse_query(packet)
        except (Refused, Unanswerable):
            continue
        assert len(query.question) <= len(packet)
        encode_answer(query, Answer(Rcode.NXDOMAIN, soa=addresses(1)[0]), PLAIN_LIMIT)


def test_an_answer() -> None:
    query = parse_query(question("WEB.default.svc.cluster.local", edns=1232))
    (tail,) = encode_answer(query, Answer(Rcode.NOERROR, addresses(1)), query.limit)
    message = decoded(tail)
    assert (message.header.qr, message.header.aa, message.header.rd, message.header.ra) == (1, 1, 1, 1)
    assert str(message.q.qname) == "WEB.default.svc.cluster.local."
    assert [(str(rr.rname), rr.ttl, str(rr.rdata)) for rr in message.rr] == [
        ("WEB.default.svc.cluster.local.", 5, "10.0.0.0")
    ]
    assert [QTYPE[rr.rtype] for rr in message.ar] == ["OPT"]


def test_a_negative_answer_carries_its_soa() -> None:
    query = parse_query(question("none.svc.cluster.local"))
    soa = Record(encode_name("cluster.local"), Type.SOA, 5, NAME + NAME + b"\0" * 20)
    message = decoded(encode_answer(query, Answer(Rcode.NXDOMAIN, soa=soa), PLAIN_LIMIT)[0])
    assert (RCODE[message.header.rcode], len(message.rr), str(message.auth[0].rname)) == (
        "NXDOMAIN",
        0,
        "cluster.local.",
    )
    assert (message.auth[0].rtype, message.ar) == (Type.SOA, [])


def test_several_addresses_are_served_in_turn() -> None:
    query = parse_query(question())
    firsts = [str(decoded(tail).rr[0].rdata) for tail in encode_answer(query, Answer(Rcode.NOERROR, addresses(3)), 512)]
    assert firsts == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
    many = encode_answer(query, Answer(Rcode.NOERROR, addresses(100)), TCP_LIMIT)
    assert len(many) == 8
    assert all(len(decoded(tail).rr) == 100 for tail in many)


def test_what_does_not_fit_is_cut_between_records() -> None:
    query = parse_query(question())
    tail = encode_answer(query, Answer(Rcode.NOERROR, addresses(100)), PLAIN_LIMIT)[0]
    assert len(tail) + 2 <= PLAIN_LIMIT
    message = decoded(tail)
    assert message.header.tc == 1
    assert len(message.rr) == (512 - len(GOOD)) // 16


def test_additional_records_are_left_out_in_silence() -> None:
    query = parse_query(question(kind="SRV"))
    target = encode_name("h.web.default.svc.cluster.local")
    srv = Record(NAME, Type.SRV, 5, srv_data(0, 100, 80, target))
    answer = Answer(Rcode.NOERROR, (srv,), addresses(100, target))
    message = decoded(encode_answer(query, answer, PLAIN_LIMIT)[0])
    assert (message.header.tc, len(message.rr)) == (0, 1)
    assert 0 < len(message.ar) < 100
    assert {str(rr.rname) for rr in message.ar} == {"h.web.default.svc.cluster.local."}


def test_owners_are_compressed_and_still_read_the_same() -> None:
    query = parse_query(question())
    owners = [
        "a.b.web.default.svc.cluster.local",
        "b.web.default.svc.cluster.local",
        "other.example",
        "x.other.example",
    ]
    records = [record for owner in owners for record in addresses(1, encode_name(owner))]
    answer = Answer(Rcode.NOERROR, tuple(records))
    tails = encode_answer(query, answer, TCP_LIMIT)
    assert [str(rr.rname) for rr in decoded(tails[0]).rr] == [f"{owner}." for owner in owners]
    assert len(tails[0]) < 12 + len(query.question) + 16 * 4 + 30


def test_errors() -> None:
    message = decoded(error_response(0x0100, Rcode.SERVFAIL, GOOD[12:], edns=True))
    assert (RCODE[message.header.rcode], str(message.q.qname)) == ("SERVFAIL", "web.default.svc.cluster.local.")
    bare = decoded(error_response(0x0100, Rcode.FORMERR))
    assert (bare.header.rcode, bare.questions) == (1, [])
    badvers = decoded(error_response(0x0100, Rcode.BADVERS))
    assert badvers.header.rcode == 0
    assert badvers.ar[0].ttl >> 24 == 1
