"""Which write answers which.

No part says why it writes, but it can only answer what it could have read: the newest earlier write, by somebody else,
of the same object, of one that it refers to (an owner that makes or removes it, a slice's pods and Service, an event's
subject), or of one that refers to it (a workload's status follows its pods). A person's writes answer nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from minikube_py.insight.timeline.model import Write

#: Writes of one person this close to each other are one apply.
_ONE_APPLY = timedelta(seconds=2)


def with_causes(writes: Sequence[Write]) -> list[Write]:
    """The same writes with ``cause`` and ``depth``."""
    told: list[Write] = []
    known: dict[str, list[int]] = {}
    referring: dict[str, list[int]] = {}
    for number, write in enumerate(writes):
        cause = -1 if write.by_person else _cause(write, told, known, referring)
        told.append(replace(write, cause=cause, depth=told[cause].depth + 1 if cause >= 0 else 0))
        for name in write.names():
            known.setdefault(name, []).append(number)
        for name in filter(None, write.owners()):
            referring.setdefault(name, []).append(number)
    return told


def last_apply(writes: Sequence[Write]) -> int:
    """The index of the first write of a person's last apply; 0 where no person wrote."""
    by_person = [number for number, write in enumerate(writes) if write.by_person]
    if not by_person:
        return 0
    first = by_person[-1]
    for number in reversed(by_person):
        if writes[first].moment - writes[number].moment > _ONE_APPLY:
            break
        first = number
    return first


def descending_from(writes: Sequence[Write], place: str) -> list[int]:
    """The indices of the writes of the object at ``place``, and of all that they led to."""
    chosen: set[int] = set()
    for number, write in enumerate(writes):
        if place in write.names() or write.cause in chosen:
            chosen.add(number)
    return sorted(chosen)


def _cause(write: Write, before: Sequence[Write], known: dict[str, list[int]], referring: dict[str, list[int]]) -> int:
    names = [*write.names(), *filter(None, write.about())]
    related = [number for name in names for number in known.get(name, ())]
    related += [number for name in write.names() for number in referring.get(name, ())]
    others = [number for number in related if before[number].user != write.user and before[number].kind != "Event"]
    if others:
        return max(others)
    own = [number for number in related if before[number].identity != write.identity and before[number].kind != "Event"]
    return max(own, default=-1)
