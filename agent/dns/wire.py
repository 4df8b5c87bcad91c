"""DNS messages (RFC 1035, EDNS0 by RFC 6891): questions in, answers out. Pure, and safe against any bytes.

Answers are encoded without the message id (the first two bytes), so that one encoding serves everybody who asks the
same. The question is given back exactly as it was asked, capitals included (RFC 5452 resolvers check that).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.dns.names import ancestors
from agent.dns.records import Rcode, Record, Type
from agent.dns.zone import Answer

HEADER_SIZE = 12
#: The largest UDP answer without EDNS, and the largest that we send with it (DNS flag day 2020: no fragments).
PLAIN_LIMIT = 512
EDNS_LIMIT = 1232
TCP_LIMIT = 65535
CLASS_IN = 1
CLASS_ANY = 255

_QR, _AA, _TC, _RD, _RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_OPCODE = 0x7800
_DO = 0x8000
_COUNTS = struct.Struct("!HHHHH")
_PAIR = struct.Struct("!HH")
_FIXED = struct.Struct("!HHIH")
_HIGHEST_OFFSET = 0x3FFF
#: An answer with several addresses is encoded in this many orders at most, served in turn.
_ORDERS = 8


class Unanswerable(Exception):
    """No question: too short, or itself a response. Dropped in silence, so that nobody can make us a reflector."""


class Refused(Exception):
    """A question that gets an error without being looked at."""

    def __init__(self, rcode: int, flags: int) -> None:
        super().__init__(rcode)
        self.rcode = rcode
        self.flags = flags


class Query(NamedTuple):
    """A question. ``name`` is its wire name in lower case, ``question`` the section as it was sent.

    ``limit`` is the largest answer the asker takes over UDP.
    """

    flags: int
    name: bytes
    kind: int
    question: bytes
    limit: int
    edns: bool
    dnssec_ok: bool


def parse_query(data: bytes) -> Query:
    """Read a question. Raises Unanswerable or Refused."""
    if len(data) < HEADER_SIZE:
        raise Unanswerable
    flags, questions, answers, authorities, additional = _COUNTS.unpack_from(data, 2)
    if flags & _QR:
        raise Unanswerable
    if flags & _OPCODE:
        raise Refused(Rcode.NOTIMP, flags)
    if questions != 1 or answers or authorities:
        raise Refused(Rcode.FORMERR, flags)
    end = _skip_plain_name(data, HEADER_SIZE)
    if end is None or end + 4 > len(data):
        raise Refused(Rcode.FORMERR, flags)
    kind, klass = _PAIR.unpack_from(data, end)
    if klass not in (CLASS_IN, CLASS_ANY):
        raise Refused(Rcode.REFUSED, flags)
    name, question = data[HEADER_SIZE:end].lower(), data[HEADER_SIZE : end + 4]
    if not additional:
        return Query(flags, name, kind, question, PLAIN_LIMIT, False, False)
    payload, dnssec_ok = _read_options(data, end + 4, additional, flags)
    if payload is None:
        return Query(flags, name, kind, question, PLAIN_LIMIT, False, False)
    limit = max(PLAIN_LIMIT, min(payload, EDNS_LIMIT))
    return Query(flags, name, kind, question, limit, True, dnssec_ok)


def error_response(flags: int, rcode: int, question: bytes = b"", *, edns: bool = False) -> bytes:
    """An answer without records (no id in front)."""
    opt = opt_record(rcode) if edns or rcode > 15 else b""
    head = _COUNTS.pack(_answer_flags(flags, rcode, 0), 1 if question else 0, 0, 0, 1 if opt else 0)
    return head + question + opt


def encode_answer(query: Query, answer: Answer, limit: int, *, authoritative: bool = True) -> list[bytes]:
    """The answer in every order in which its records are to be served in turn (no id in front).

    What does not fit into ``limit`` bytes is left out: additional records silently, answers with the truncation bit,
    which sends the asker to TCP.
    """
    aa = _AA if authoritative else 0
    if answer.soa is not None and not answer.answers:
        negative = _encode_negative(query, answer, aa)
        if len(negative) + 2 <= limit:
            return [negative]
    return [_encode(query, answer, records, limit, aa) for records in _orders(answer.answers)]


def _encode_negative(query: Query, answer: Answer, aa: int) -> bytes:
    """The commonest answer to work out (search lists miss all the time), without the machinery for what may not fit."""
    soa = answer.soa
    assert soa is not None
    opt = opt_record(answer.rcode) if query.edns else b""
    name, owner = query.name, soa.owner
    if name.endswith(owner):
        owner = (0xC000 | HEADER_SIZE + len(name) - len(owner)).to_bytes(2, "big")
    head = _COUNTS.pack(_answer_flags(query.flags, answer.rcode, aa), 1, 0, 1, 1 if opt else 0)
    fixed = _FIXED.pack(soa.type, CLASS_IN, soa.ttl, len(soa.data))
    return b"".join((head, query.question, owner, fixed, soa.data, opt))


def _orders(records: Sequence[Record]) -> list[Sequence[Record]]:
    """Rotations of what can be rotated: a chain of aliases must stay in order."""
    count = len(records)
    if count < 2 or records[0].type == Type.CNAME:
        return [records]
    starts = range(count) if count <= _ORDERS else range(0, count, -(-count // _ORDERS))
    return [[*records[start:], *records[:start]] for start in starts]


def _encode(query: Query, answer: Answer, records: Sequence[Record], limit: int, aa: int) -> bytes:
    opt = opt_record(answer.rcode) if query.edns else b""
    writer = _Writer(query, limit - len(opt))
    answers, truncated = writer.write_all(records)
    authority = writer.write_all([answer.soa])[0] if answer.soa is not None and not truncated else 0
    additional = 0 if truncated else writer.write_all(answer.additional)[0]
    flags = _answer_flags(query.flags, answer.rcode, aa | (_TC if truncated else 0))
    head = _COUNTS.pack(flags, 1, answers, authority, additional + (1 if opt else 0))
    return b"".join((head, query.question, *writer.pieces, opt))


class _Writer:
    """Writes records after the question, as many as fit, compressing their owners' names."""

    def __init__(self, query: Query, limit: int) -> None:
        self._asked = query.name
        self._at = HEADER_SIZE + len(query.question)
        self._limit = limit
        self._offsets: dict[bytes, int] = {}
        self.pieces: list[bytes] = []

    def write_all(self, records: Iterable[Record]) -> tuple[int, bool]:
        """How many were written, and whether some did not fit."""
        written = 0
        for owner, kind, ttl, data in records:
            piece = self._compressed(owner) + _FIXED.pack(kind, CLASS_IN, ttl, len(data)) + data
            if self._at + len(piece) > self._limit:
                return written, True
            self.pieces.append(piece)
            self._at += len(piece)
            written += 1
        return written, False

    def _compressed(self, name: bytes) -> bytes:
        """A pointer into the question where the name is the end of what was asked; else what was written before."""
        if self._asked.endswith(name):
            return (0xC000 | HEADER_SIZE + len(self._asked) - len(name)).to_bytes(2, "big")
        known = self._offsets.get(name)
        if known is not None:
            return (0xC000 | known).to_bytes(2, "big")
        self._learn(name)
        for above in ancestors(name):
            if self._asked.endswith(above) or self._offsets.get(above, self._at) < self._at:
                return name[: len(name) - len(above)] + self._compressed(above)
        return name

    def _learn(self, name: bytes) -> None:
        """Remember where ``name``, about to be written, and the names above it can be pointed to."""
        for part in (name, *ancestors(name)):
            offset = self._at + len(name) - len(part)
            if part in self._offsets or self._asked.endswith(part) or offset > _HIGHEST_OFFSET:
                return
            self._offsets[part] = offset


def _answer_flags(flags: int, rcode: int, more: int) -> int:
    return _QR | _RA | (flags & (_OPCODE | _RD)) | more | (rcode & 0xF)


def opt_record(rcode: int = Rcode.NOERROR) -> bytes:
    """Our OPT record: what we take over UDP, and the upper bits of an extended response code."""
    return b"\0" + _FIXED.pack(Type.OPT, EDNS_LIMIT, (rcode >> 4) << 24, 0)


def _read_options(data: bytes, at: int, count: int, flags: int) -> tuple[int | None, bool]:
    """The OPT record among the additional ones: payload size (None without one) and the DNSSEC bit."""
    payload, dnssec_ok = None, False
    for _ in range(count):
        end = _skip_plain_name(data, at)
        if end is None or end + _FIXED.size > len(data):
            raise Refused(Rcode.FORMERR, flags)
        kind, size, extended, length = _FIXED.unpack_from(data, end)
        root = end == at + 1
        at = end + _FIXED.size + length
        if at > len(data) or (kind == Type.OPT and (payload is not None or not root)):
            raise Refused(Rcode.FORMERR, flags)
        if kind == Type.OPT:
            if (extended >> 16) & 0xFF:
                raise Refused(Rcode.BADVERS, flags)
            payload, dnssec_ok = size, bool(extended & _DO)
    return payload, dnssec_ok


def _skip_plain_name(data: bytes, at: int) -> int | None:
    """Where an uncompressed name ends; None for one that is cut off, too long, or points elsewhere."""
    start = at
    size = len(data)
    while at < size:
        length = data[at]
        if length == 0:
            return at + 1 if at + 1 - start <= 255 else None
        if length > 63:
            return None
        at += 1 + length
    return None
