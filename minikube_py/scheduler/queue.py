"""Pods that wait for a place: ready to be tried, backing off, or parked until something they need changes.

The model is upstream's PriorityQueue: higher priority first, then older first; a refused pod is parked with the
names of the plugins that refused it and wakes only for events those plugins care about; each refusal doubles the
time before the next try (1 s to 10 s), but a pod woken by an event does not wait while nobody else is ready.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from minikube_py.scheduler.views import PodInfo

_INITIAL_BACKOFF = 1.0
_MAXIMUM_BACKOFF = 10.0
#: A parked pod is tried again after this long even without an event, should an event have been misjudged.
PARKED_SECONDS = 300.0


@dataclass(slots=True)
class Waiting:
    """A pod in the queue and its history."""

    pod: PodInfo
    order: int
    attempts: int = 0
    plugins: frozenset[str] = frozenset()
    parked_at: float = 0.0
    errored: bool = False

    def __lt__(self, other: Waiting) -> bool:
        return (-self.pod.priority, self.order) < (-other.pod.priority, other.order)

    @property
    def backoff(self) -> float:
        """Seconds to wait after the last attempt."""
        return float(min(_INITIAL_BACKOFF * 2 ** max(self.attempts - 1, 0), _MAXIMUM_BACKOFF))


@dataclass(slots=True)
class SchedulingQueue:
    """Not a task: the loop asks ``pop`` and ``next_due``. ``monotonic`` gives seconds."""

    monotonic: Callable[[], float]
    _active: list[Waiting] = field(default_factory=list)
    _backing_off: dict[str, Waiting] = field(default_factory=dict)
    _parked: dict[str, Waiting] = field(default_factory=dict)
    _known: dict[str, Waiting] = field(default_factory=dict)
    _in_flight: dict[str, set[str]] = field(default_factory=dict)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def __len__(self) -> int:
        return len(self._known)

    def add(self, pod: PodInfo) -> None:
        """A pod that needs a place, or the newer state of one that waits (which is reason to try again)."""
        entry = self._known.get(pod.uid)
        if entry is None:
            entry = self._known[pod.uid] = Waiting(pod, next(self._order))
            heapq.heappush(self._active, entry)
            return
        entry.pod = pod
        if pod.uid in self._parked:
            self._wake(entry)

    def remove(self, uid: str) -> None:
        """The pod has a place, or is gone."""
        self._known.pop(uid, None)
        self._backing_off.pop(uid, None)
        self._parked.pop(uid, None)
        self._in_flight.pop(uid, None)

    def pop(self) -> Waiting | None:
        """The next pod to try, or None. While it is out, events are remembered for it."""
        self._mature()
        entry = self._pop_active() or self._pop_woken()
        if entry is not None:
            entry.attempts += 1
            self._in_flight[entry.pod.uid] = set()
        return entry

    def refused(self, entry: Waiting, plugins: frozenset[str], *, error: bool = False) -> None:
        """The pod found no place. ``error`` means the attempt itself failed: try again after its backoff."""
        uid = entry.pod.uid
        missed = self._in_flight.pop(uid, set())
        if uid not in self._known:
            return
        entry.plugins, entry.parked_at, entry.errored = plugins, self.monotonic(), error
        if error or missed & plugins:
            self._backing_off[uid] = entry
        else:
            self._parked[uid] = entry

    def placed(self, uid: str) -> None:
        """The pod has its place."""
        self.remove(uid)

    def changed(self, plugins: frozenset[str]) -> None:
        """Something that these plugins look at has changed: wake the pods that they refused."""
        for noted in self._in_flight.values():
            noted |= plugins
        for entry in [entry for entry in self._parked.values() if entry.plugins & plugins]:
            self._wake(entry)

    def next_due(self) -> float | None:
        """Seconds until a pod becomes ready by itself, None where only an event can help."""
        if self._active or any(not entry.errored for entry in self._backing_off.values()):
            return 0.0
        now = self.monotonic()
        dues = [entry.parked_at + entry.backoff - now for entry in self._backing_off.values()]
        dues += [entry.parked_at + PARKED_SECONDS - now for entry in self._parked.values()]
        return max(min(dues), 0.0) if dues else None

    def _wake(self, entry: Waiting) -> None:
        del self._parked[entry.pod.uid]
        self._backing_off[entry.pod.uid] = entry

    def _mature(self) -> None:
        now = self.monotonic()
        for uid, entry in list(self._backing_off.items()):
            if now >= entry.parked_at + entry.backoff:
                del self._backing_off[uid]
                heapq.heappush(self._active, entry)
        for uid, entry in list(self._parked.items()):
            if now >= entry.parked_at + PARKED_SECONDS:
                del self._parked[uid]
                heapq.heappush(self._active, entry)

    def _pop_active(self) -> Waiting | None:
        while self._active:
            entry = heapq.heappop(self._active)
            if self._known.get(entry.pod.uid) is entry:
                return entry
        return None

    def _pop_woken(self) -> Waiting | None:
        """Nobody is ready: a pod whose obstacle has changed need not wait for its time."""
        woken = [entry for entry in self._backing_off.values() if not entry.errored]
        if not woken:
            return None
        entry = min(woken)
        del self._backing_off[entry.pod.uid]
        return entry
