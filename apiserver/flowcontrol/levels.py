"""Seats: how many requests of each priority level are served at once when the server is full.

Simpler than upstream's queues and borrowing, with the same promise: while there are seats, anybody has one; when there
are none left, a level still has the seats that are its own (its nominal share), and exempt requests always have one.
What finds no seat is told to come back (429) instead of waiting in a queue: a request here takes well under a
millisecond, and a queue would only hide that the server is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from apiserver.auth.identity import Identity
from apiserver.flowcontrol.matching import in_order, matches
from apiserver.routes.request import RequestInfo
from apiserver.store.collection import Collection
from minikube_py.api.errors import TooManyRequests
from minikube_py.api.meta import name_of, uid_of
from minikube_py.api.types import Object

#: Requests served at once, long-running ones apart (upstream's limits, added up).
SEATS = 600
_TOO_MANY = "Too many requests, please try again later."
#: Kinds of requests that are remembered with their flow.
_MOST_REMEMBERED = 4_096


@dataclass(slots=True)
class Level:
    """A priority level. ``seats`` are its own; ``taken`` are those that its requests sit on."""

    name: str
    uid: str
    exempt: bool
    seats: int
    taken: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a request belongs. ``headers`` tell the client so, as upstream does."""

    level: Level
    headers: bytes


_NOWHERE = Flow(Level("catch-all", "", exempt=False, seats=SEATS), b"")


def nominal_seats(levels: Iterable[Object]) -> Mapping[str, int]:
    """Each level's seats: its share of all of them, rounded up."""
    shares = {name_of(level): _shares(level["spec"]) for level in levels}
    total = sum(shares.values())
    return {name: math.ceil(SEATS * share / total) if total else 0 for name, share in shares.items()}


def _shares(spec: Object) -> int:
    exempt = spec.get("type") == "Exempt"
    found = (spec.get("exempt" if exempt else "limited") or {}).get("nominalConcurrencyShares")
    return int(found if found is not None else 0 if exempt else 30)


class FlowControl:
    """Classifies requests and gives them seats. Changes of schemas and levels count from the next request on."""

    def __init__(self, schemas: Collection, levels: Collection) -> None:
        self._collections = schemas, levels
        self._seen = (-1, -1)
        self._schemas: list[Object] = []
        self._levels: dict[str, Level] = {}
        self._flows: dict[tuple[object, ...], Flow] = {}
        self.taken = 0

    def flow(self, user: Identity, info: RequestInfo) -> Flow:
        """The flow of a request: that of the first schema that matches and whose level is there."""
        schemas, levels = self._collections
        if self._seen != (schemas.changed, levels.changed):
            self._read()
        place = (info.group, info.plural, info.subresource, info.namespace) if info.is_resource else info.path
        key = (user.name, tuple(user.groups), info.verb, place)
        found = self._flows.get(key)
        if found is None:
            if len(self._flows) >= _MOST_REMEMBERED:
                self._flows.clear()
            found = self._flows[key] = self._classify(user, info)
        return found

    def enter(self, level: Level) -> None:
        """Take a seat. Raises TooManyRequests."""
        if self.taken >= SEATS and not level.exempt and level.taken >= level.seats:
            level.rejected += 1
            raise TooManyRequests(_TOO_MANY, retry_after_seconds=1)
        level.taken += 1
        self.taken += 1

    def leave(self, level: Level) -> None:
        """Give the seat back."""
        level.taken -= 1
        self.taken -= 1

    def levels(self) -> Iterator[Level]:
        """Every level, for metrics."""
        schemas, levels = self._collections
        if self._seen != (schemas.changed, levels.changed):
            self._read()
        yield from self._levels.values()

    def _classify(self, user: Identity, info: RequestInfo) -> Flow:
        for schema in self._schemas:
            level = self._levels.get((schema["spec"].get("priorityLevelConfiguration") or {}).get("name") or "")
            if level is not None and matches(schema, user, info):
                names = (
                    f"X-Kubernetes-Pf-Flowschema-Uid: {uid_of(schema)}\r\n"
                    f"X-Kubernetes-Pf-Prioritylevel-Uid: {level.uid}\r\n"
                )
                return Flow(level, names.encode())
        return _NOWHERE

    def _read(self) -> None:
        schemas, levels = self._collections
        self._seen = (schemas.changed, levels.changed)
        self._flows.clear()
        self._schemas = in_order([stored.load() for stored in schemas.everything()])
        found = [stored.load() for stored in levels.everything()]
        seats, before = nominal_seats(found), MappingProxyType(dict(self._levels))
        self._levels = {name_of(level): _level(level, seats[name_of(level)], before) for level in found}


def _level(obj: Object, seats: int, before: Mapping[str, Level]) -> Level:
    """The level, which stays the same one where it was there: requests sit on its seats."""
    exempt = obj["spec"].get("type") == "Exempt"
    known = before.get(name_of(obj))
    if known is None or known.uid != uid_of(obj):
        return Level(name_of(obj), uid_of(obj), exempt, seats)
    known.exempt, known.seats = exempt, seats
    return known
