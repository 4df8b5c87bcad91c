"""Answers of other servers: checked, kept as bytes, passed on with their time to live counted down. Pure.

A message answers everyone who asks the same question with the same bytes: compression pointers count from the start of
the message, and header and question are as long in our answer as in theirs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from agent.dns.names import LONGEST_NAME
from agent.dns.records import Rcode, Record, Type
from agent.dns.wire import HEADER_SIZE, Query

_COUNTS = struct.Struct("!HHHHH")
_FIXED = struct.Struct("!HHIH")
_TTL = struct.Struct("!I")
_QR, _TC, _RD, _RA = 0x8000, 0x0200, 0x0100, 0x0080
#: Types whose data holds compressed names: how many bytes stand before the first, and how many names follow.
_NAMES_IN_DATA = {
    Type.NS: (0, 1), Type.CNAME: (0, 1), Type.PTR: (0, 1), Type.SOA: (0, 2), Type.MX: (2, 1), Type.SRV: (6, 1),
}  # fmt: skip


class BadMessage(Exception):
    """The other server's message makes no sense, or is no answer to the question."""


class _Field(NamedTuple):
    """Where a record lies in its message."""

    owner: int
    kind: int
    ttl: int
    data: int
    end: int


class Foreign(NamedTuple):
    """An answer of another server.

    ``message`` ends before its OPT record; ``answers`` are the ends of the answer records in it; ``ttls`` the places of
    all times to live; ``lifetime`` the seconds for which the whole may be repeated.
    """

    rcode: int
    truncated: bool
    message: bytes
    counts: tuple[int, int, int]
    answers: tuple[int, ...]
    ttls: tuple[int, ...]
    lifetime: int


def make_query(identifier: int, question: bytes, *, dnssec_ok: bool) -> bytes:
    """A question to another server: recursion desired, EDNS with the size that fits a packet."""
    opt = b"\0" + _FIXED.pack(Type.OPT, 1232, 0x8000 if dnssec_ok else 0, 0)
    return identifier.to_bytes(2, "big") + _COUNTS.pack(_RD, 1, 0, 0, 1) + question + opt


def parse_response(data: bytes, question: bytes) -> Foreign:
    """Read an answer to ``question`` (compared without regard to case). Raises BadMessage."""
    if len(data) < HEADER_SIZE:
        raise BadMessage("too short")
    flags, questions, answers, authorities, additional = _COUNTS.unpack_from(data, 2)
    start = HEADER_SIZE + len(question)
    if not flags & _QR or questions != 1 or data[HEADER_SIZE:start].lower() != question.lower():
        raise BadMessage("not an answer to the question")
    fields = list(_fields(data, start, answers + authorities + additional))
    kept = _before_opt(fields, answers + authorities)
    end = kept[-1].end if kept else start
    return Foreign(
        rcode=flags & 0xF,
        truncated=bool(flags & _TC),
        message=data[:end],
        counts=(answers, authorities, len(kept) - answers - authorities),
        answers=tuple(field.end for field in fields[:answers]),
        ttls=tuple(field.ttl for field in kept),
        lifetime=_lifetime(data, kept, answers),
    )


def encode_foreign(query: Query, foreign: Foreign, age: int, limit: int, opt: bytes) -> bytes:
    """The answer as we pass it on, ``age`` seconds later (no id in front); ``opt`` is our OPT record or nothing."""
    start = HEADER_SIZE + len(query.question)
    answers, authorities, additional = foreign.counts
    message, truncated = foreign.message, foreign.truncated
    if len(message) + len(opt) > limit:
        fitting = [end for end in foreign.answers if end + len(opt) <= limit]
        truncated = truncated or len(fitting) < answers
        answers, authorities, additional = len(fitting), 0, 0
        message = message[: fitting[-1] if fitting else start]
    body = bytearray(message)
    for place in foreign.ttls if age else ():
        if place < len(body):
            _TTL.pack_into(body, place, max(0, _TTL.unpack_from(body, place)[0] - age))
    flags = _QR | _RA | (query.flags & _RD) | (_TC if truncated else 0) | foreign.rcode
    head = _COUNTS.pack(flags, 1, answers, authorities, additional + (1 if opt else 0))
    return b"".join((head, query.question, bytes(body[start:]), opt))


def answer_records(foreign: Foreign, question_size: int) -> list[Record]:
    """The answer section with all names written out, to stand in another message. Raises BadMessage."""
    data = foreign.message
    found = []
    for field in _fields(data, HEADER_SIZE + question_size, foreign.counts[0]):
        owner, _ = _read_name(data, field.owner)
        ttl = _TTL.unpack_from(data, field.ttl)[0]
        found.append(Record(owner, field.kind, ttl, _plain_data(data, field)))
    return found


def _fields(data: bytes, at: int, count: int) -> Iterator[_Field]:
    for _ in range(count):
        owner, at = at, _skip_name(data, at)
        if at + _FIXED.size > len(data):
            raise BadMessage("cut off within a record")
        kind, _, _, length = _FIXED.unpack_from(data, at)
        start = at + _FIXED.size
        if start + length > len(data):
            raise BadMessage("cut off within a record's data")
        yield _Field(owner, kind, at + 4, start, start + length)
        at = start + length


def _before_opt(fields: list[_Field], always: int) -> list[_Field]:
    """What may be passed on: an OPT or signature record speaks for one hop only, and is followed by nothing of use."""
    for index in range(always, len(fields)):
        if fields[index].kind in (Type.OPT, 250, 24):
            return fields[:index]
    return fields


def _lifetime(data: bytes, fields: list[_Field], answers: int) -> int:
    """The shortest time to live; of a negative answer, what its SOA record says (RFC 2308). Without either, nothing."""
    ttls = [_TTL.unpack_from(data, field.ttl)[0] for field in fields[:answers]]
    if not ttls:
        for field in fields:
            if field.kind == Type.SOA and field.end - field.data >= 20:
                ttls = [_TTL.unpack_from(data, field.ttl)[0], _TTL.unpack_from(data, field.end - 4)[0]]
    return min((ttl if ttl < 1 << 31 else 0 for ttl in ttls), default=0)


def _skip_name(data: bytes, at: int) -> int:
    while at < len(data):
        length = data[at]
        if length >= 0xC0:
            return at + 2
        if length > 63:
            break
        at += 1 + length
        if length == 0:
            return at
    raise BadMessage("a broken name")


def _read_name(data: bytes, at: int) -> tuple[bytes, int]:
    """A name written out, and where it ends. Pointers must lead backwards, or they could lead in circles."""
    parts, size, end = [], 0, _skip_name(data, at)
    lowest = at
    while True:
        if at >= len(data):
            raise BadMessage("a name leads out of the message")
        length = data[at]
        if length >= 0xC0:
            if at + 1 >= len(data):
                raise BadMessage("a name leads out of the message")
            at = (length & 0x3F) << 8 | data[at + 1]
            if at >= lowest:
                raise BadMessage("a name leads forwards")
            lowest = at
            continue
        part = data[at : at + 1 + length]
        size += len(part)
        if length > 63 or size > LONGEST_NAME or len(part) != 1 + length:
            raise BadMessage("a broken name")
        parts.append(part)
        if length == 0:
            return b"".join(parts), end
        at += 1 + length


def _plain_data(data: bytes, field: _Field) -> bytes:
    shape = _NAMES_IN_DATA.get(Type(field.kind)) if field.kind in _TYPES else None
    if shape is None:
        return data[field.data : field.end]
    before, names = shape
    at = field.data + before
    pieces = [data[field.data : at]]
    for _ in range(names):
        name, at = _read_name(data, at)
        pieces.append(name)
    if at > field.end:
        raise BadMessage("a name leads out of its record")
    return b"".join([*pieces, data[at : field.end]])


_TYPES = frozenset(int(kind) for kind in Type)


def servfail(foreign: Foreign) -> bool:
    """Whether the server could not or would not say: another one may."""
    return foreign.rcode in (Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NOTIMP, Rcode.FORMERR)
