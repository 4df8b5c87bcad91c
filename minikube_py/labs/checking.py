"""Checks in a row: measure, judge, and remember what was seen for the student who asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minikube_py.api.meta import name_of
from minikube_py.labs.judge import gather, holds
from minikube_py.labs.measure import Observer
from minikube_py.labs.model import Check, Expectation, Lab

_MOST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check. ``seen`` are facts that were measured, never what was expected."""

    check: Check
    passed: bool
    seen: tuple[str, ...] = ()


async def check_all(observer: Observer, lab: Lab) -> list[Verdict]:
    """Every check, in its order: a later one may count what an earlier one sent. Raises LabFault, ConnectionFailed."""
    return [await check_one(observer, each) for each in lab.checks]


async def check_one(observer: Observer, check: Check) -> Verdict:
    """One check; what its expectations compare with is measured right after it."""
    items = await observer.measure(check)
    passed = True
    for each in check.expect:
        compared = await observer.measure(each.same_as) if each.same_as else ()
        passed = passed and holds(each, items, compared)
    return Verdict(check, passed, tuple(facts(check, items)))


def facts(check: Check, items: Sequence[Any]) -> list[str]:
    """What was seen, for a student who asks for it."""
    if check.request is not None:
        counted = Counter(str(item["outcome"]) for item in items)
        told = ", ".join(f"{outcome} x{number}" for outcome, number in counted.items()) or "could not be sent"
        return [f"{check.request.source} -> {check.request.url}: {told}", *_values(check.expect, items)]
    if check.resolve is not None:
        told = ", ".join(item["address"] for item in items) or "does not resolve"
        return [f"{check.resolve.name}: {told}"]
    if check.exec is not None:
        return [f"{' '.join(check.exec.argv)} (exit {item['exit']})" for item in items] or ["could not be run"]
    names = ", ".join(map(name_of, items[:_MOST_SHOWN])) or "none"
    kind = check.objects.kind if check.objects else ""
    return [f"{kind}: {names}", *_values(check.expect, items)]


def _values(expectations: Sequence[Expectation], items: Sequence[Any]) -> list[str]:
    lines = []
    for path in dict.fromkeys(each.path for each in expectations if each.path):
        shown = [str(value) for value in gather(items, path)]
        more = f" and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
        lines.append(f"{path}: {', '.join(shown[:_MOST_SHOWN]) or '(none)'}{more}")
    return lines
