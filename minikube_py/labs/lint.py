"""Proof that a lab can be failed and can be passed, and that its texts are whole.

The texts need no cluster. The rest is done: the start state must fail every check but those that ``hold`` from the
start, and after the solution every check must pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from minikube_py.aio.clock import Clock
from minikube_py.client.manifests import ManifestFault, parse_manifests
from minikube_py.labs import session
from minikube_py.labs.checking import Verdict, check_all
from minikube_py.labs.folder import LANGUAGES, LabFault, LabFolder
from minikube_py.labs.measure import Observer, resource_of
from minikube_py.labs.model import Expectation, Lab, Text
from minikube_py.labs.select import PathFault, parse
from minikube_py.labs.variation import UnknownValue, Values

#: Pods become ready, slices follow, proxies take them: a state is given this many seconds to show.
_SETTLE_SECONDS = 60.0
_AGAIN_SECONDS = 0.1
#: Stands for a cluster where there is none.
_ANY_CLUSTER: Mapping[str, object] = {
    "nodes": 3, "node1": "minik-1", "node2": "minik-2", "node3": "minik-3",
    "nodeAddress1": "192.168.230.11", "nodeAddress2": "192.168.230.12", "nodeAddress3": "192.168.230.13",
    "loadBalancers": "192.168.231",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things took, in seconds."""

    start: float
    solve: float


def read_through(folder: LabFolder) -> list[str]:
    """The faults that reading finds, for a few seeds; none is []."""
    try:
        return list(dict.fromkeys(fault for seed in ("", "a", "b") for fault in _text_faults(folder, seed)))
    except (LabFault, UnknownValue, ManifestFault) as fault:
        return [str(fault)]


async def prove(observer: Observer, folder: LabFolder, seed: str, values: Values, clock: Clock) -> Timing:
    """Start, fail, solve, pass, remove. Raises LabFault with the check that is wrong; the namespaces go in any case.

    A lab that somebody has started already is theirs: it raises AlreadyStarted and is not touched.
    """
    lab = folder.filled(values)
    begun = clock.monotonic()
    mine = True
    try:
        await session.start(observer, folder, seed, values)
        started = clock.monotonic()
        await _settle(observer, lab, clock, solved=False)
        solving = clock.monotonic()
        await session.carry_out(observer, folder, lab.solution, values)
        await _settle(observer, lab, clock, solved=True)
        return Timing(started - begun, clock.monotonic() - solving)
    except session.AlreadyStarted:
        mine = False
        raise
    finally:
        if mine:
            await session.remove(observer, folder)


async def _settle(observer: Observer, lab: Lab, clock: Clock, *, solved: bool) -> None:
    """Until every check says what it must. A start state must say so again a moment later."""
    deadline = clock.monotonic() + _SETTLE_SECONDS
    while wrong := _wrong(await check_all(observer, lab), solved=solved):
        if clock.monotonic() > deadline:
            state = "after the solution" if solved else "at the start"
            told = "; ".join(f"{each.check.id} {_word(each)} ({', '.join(each.seen)})" for each in wrong)
            raise LabFault(f"{state}: {told}")
        await clock.sleep(_AGAIN_SECONDS)


def _wrong(verdicts: list[Verdict], *, solved: bool) -> list[Verdict]:
    return [each for each in verdicts if each.passed != (solved or each.check.holds)]


def _word(verdict: Verdict) -> str:
    return "passes" if verdict.passed else "fails"


def _text_faults(folder: LabFolder, seed: str) -> Iterator[str]:
    values = folder.values(seed, _ANY_CLUSTER)
    lab = folder.filled(values)
    for language in LANGUAGES:
        if not (folder.path / f"lesson.{language}.md").is_file():
            yield f"lesson.{language}.md is missing"
        elif not folder.lesson(language, values).strip():
            yield f"lesson.{language}.md is empty"
    for where, text in _texts(lab):
        yield from (f"{where} is not told in {each}" for each in LANGUAGES if not text.get(each, "").strip())
    for check in lab.checks:
        yield from (f"check {check.id}: {fault}" for fault in _path_faults(check.expect))
        if check.objects is not None:
            resource_of(check.objects.kind)
    for step in (*lab.setup, *lab.solution):
        for file, manifest in folder.manifests(step.apply, values) if step.apply else ():
            list(parse_manifests(file, manifest))


def _texts(lab: Lab) -> Iterator[tuple[str, Text]]:
    yield from (("title", lab.title), ("idea", lab.idea), ("explain", lab.explain))
    yield from ((f"hint {number}", hint) for number, hint in enumerate(lab.hints, start=1))
    for check in lab.checks:
        yield f"check {check.id}", check.title
        if check.tell or not check.holds:
            yield f"check {check.id}: tell", check.tell


def _path_faults(expectations: list[Expectation]) -> Iterator[str]:
    for each in expectations:
        for path in (each.path, each.same_as.path if each.same_as else ""):
            try:
                parse(path)
            except PathFault as fault:
                yield str(fault)


async def prove_within(
    observer: Observer, folder: LabFolder, seed: str, values: Values, clock: Clock, seconds: float
) -> Timing:
    """``prove`` with an end. Raises LabFault."""
    try:
        async with asyncio.timeout(seconds):
            return await prove(observer, folder, seed, values, clock)
    except TimeoutError:
        raise LabFault(f"does not come to an end within {seconds:g} s") from None
