"""From a question's bytes to an answer's: the fast path, the zone, and what others know.

An answer from the zone is encoded once and kept under the very bytes of the question (without its id) until the zone
announces a change of the name. An answer of another server is kept likewise for the second in which its time to live
was counted down. So the common packet costs one dictionary lookup.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from agent.dns.foreign import BadMessage, answer_records, encode_foreign
from agent.dns.forward import PROBE_SUFFIX, Forwarder, ForwardFailed, Question, Remembered
from agent.dns.hosts import StaticHosts
from agent.dns.records import Rcode, Record, Type, txt_data
from agent.dns.wire import (
    TCP_LIMIT,
    Query,
    Refused,
    Unanswerable,
    encode_answer,
    error_response,
    opt_record,
    parse_query,
)
from agent.dns.zone import Answer, Zone
from minikube_py.aio.clock import Clock

_LONGEST_KEY = 320
_MOST_READY = 10_000
_LONGEST_CHAIN = 8


class Responder:
    """Answers questions. ``synced`` tells whether the zone is whole; until then its names are SERVFAIL."""

    def __init__(self, *, zone: Zone, forwarder: Forwarder, clock: Clock, synced: Callable[[], bool]) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._clock = clock
        self._ask_synced = synced
        self._was_synced = False
        #: Encoded answers, or several to be served in turn, by the bytes of their question after the id. Read by the
        #: server for each packet.
        self.ready: dict[bytes, bytes | Iterator[bytes]] = {}
        self._keys_of: dict[bytes, tuple[bytes, ...]] = {}
        self._passing: list[bytes] = []
        self._second = -1
        self.hosts = StaticHosts({})
        #: Answers by response code, without those of the fast path.
        self.rcodes: Counter[int] = Counter()

    def tick(self) -> None:
        """Call before reading ``ready`` for a batch of packets: drops answers whose time to live has moved on."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second = second
            for key in self._passing:
                self.ready.pop(key, None)
            self._passing.clear()

    def invalidate(self, names: Iterable[bytes]) -> None:
        """The answers about these names may differ now."""
        for name in names:
            for key in self._keys_of.pop(name, ()):
                self.ready.pop(key, None)

    def invalidate_all(self) -> None:
        """Any answer may differ now."""
        self.ready.clear()
        self._keys_of.clear()
        self._passing.clear()

    def respond(self, data: bytes, *, tcp: bool = False) -> bytes | Query | None:
        """The answer (without its id) to a packet, None to say nothing, or the question that others must be asked."""
        try:
            query = parse_query(data)
        except Unanswerable:
            return None
        except Refused as refusal:
            self.rcodes[refusal.rcode] += 1
            return error_response(refusal.flags, refusal.rcode)
        key = data[2:] if not tcp and len(data) <= _LONGEST_KEY else None
        limit = TCP_LIMIT if tcp else query.limit
        answer = self._own_answer(query)
        if answer is not None:
            return self._encoded(query, answer, limit, key)
        if self._zone.authority(query.name) is not None:
            return query if self._synced() else self._failure(query)  # an alias that leads out of the zone
        found = self._forwarder.recall(_question(query))
        return query if found is None else self._passed_on(query, found, limit, key)

    async def resolve(self, query: Query, *, tcp: bool = False) -> bytes:
        """The answer to what ``respond`` left open."""
        limit = TCP_LIMIT if tcp else query.limit
        try:
            if self._zone.authority(query.name) is not None:
                answer = await self._follow(query)
                self.rcodes[answer.rcode] += 1
                return encode_answer(query, answer, limit)[0]
            return self._passed_on(query, await self._forwarder.ask(_question(query)), limit, None)
        except (ForwardFailed, BadMessage):
            return self._failure(query)

    def _own_answer(self, query: Query) -> Answer | None:
        """What can be answered without asking anybody; None for the rest."""
        static = self.hosts.lookup(query.name, query.kind)
        if static is not None:
            return static
        if query.name.endswith(PROBE_SUFFIX):
            return Answer(Rcode.NOERROR, (Record(query.name, Type.TXT, 0, txt_data("minik")),))
        if self._zone.authority(query.name) is None or not self._synced():
            return None
        answer = self._zone.lookup(query.name, query.kind)
        chain: list[Record] = []
        while answer.alias is not None:
            chain += answer.answers
            if len(chain) > _LONGEST_CHAIN:
                return Answer(Rcode.SERVFAIL, tuple(chain))
            if self._zone.authority(answer.alias) is None:
                return None
            answer = self._zone.lookup(answer.alias, query.kind)
        return answer._replace(answers=(*chain, *answer.answers)) if chain else answer

    async def _follow(self, query: Query) -> Answer:
        """The answer to a question whose name is an alias for one outside the zone."""
        chain: list[Record] = []
        answer = self._zone.lookup(query.name, query.kind)
        while answer.alias is not None and self._zone.authority(answer.alias) is not None:
            chain += answer.answers
            answer = self._zone.lookup(answer.alias, query.kind)
        chain += answer.answers
        if answer.alias is None:
            return answer._replace(answers=tuple(chain))  # the zone has changed meanwhile
        question = Question(answer.alias, query.kind, query.dnssec_ok)
        found = await self._forwarder.ask(question)
        age = int(self._clock.monotonic() - found.at)
        records = answer_records(found.answer, len(question.section))
        aged = (record._replace(ttl=max(0, record.ttl - age)) for record in records)
        return Answer(Rcode(found.answer.rcode), (*chain, *aged))

    def _encoded(self, query: Query, answer: Answer, limit: int, key: bytes | None) -> bytes:
        self.rcodes[answer.rcode] += 1
        turns = encode_answer(query, answer, limit)
        if key is not None and answer.rcode != Rcode.SERVFAIL and not _chained(answer):
            self._make_room()
            self.ready[key] = turns[0] if len(turns) == 1 else itertools.cycle(turns[1:] + turns[:1])
            self._keys_of[query.name] = (*self._keys_of.get(query.name, ()), key)
        return turns[0]

    def _passed_on(self, query: Query, found: Remembered, limit: int, key: bytes | None) -> bytes:
        self.rcodes[found.answer.rcode] += 1
        age = int(self._clock.monotonic() - found.at)
        encoded = encode_foreign(query, found.answer, age, limit, opt_record() if query.edns else b"")
        if key is not None:
            self._make_room()
            self.ready[key] = encoded
            self._passing.append(key)
        return encoded

    def _make_room(self) -> None:
        """Whoever asks in ever new ways (0x20 capitals, cookies) must not fill the memory."""
        if len(self.ready) >= _MOST_READY:
            self.invalidate_all()

    def _synced(self) -> bool:
        """Once whole, the zone stays an answer: without an API server the last state is the best there is."""
        if not self._was_synced:
            self._was_synced = self._ask_synced()
        return self._was_synced

    def _failure(self, query: Query) -> bytes:
        self.rcodes[Rcode.SERVFAIL] += 1
        return error_response(query.flags, Rcode.SERVFAIL, query.question, edns=query.edns)


def _question(query: Query) -> Question:
    return Question(query.name, query.kind, query.dnssec_ok)


def _chained(answer: Answer) -> bool:
    """Answers through an alias depend on more names than the one they are kept under."""
    return bool(answer.answers) and answer.answers[0].type == Type.CNAME
