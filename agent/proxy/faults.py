"""Faults that a person makes on purpose: the node's Service proxy hears nothing, does nothing, or hears late.

They stand between the informers and the routing table, where a broken watch, a stuck proxy and a slow control plane
show in a real cluster. A fault lasts until it is cleared or the agent ends; then what was held back is delivered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum

from minikube_py.aio.clock import Clock, Timer

_LONGEST_DELAY = 3600.0


class Fault(StrEnum):
    """What can be wrong with a node's Service proxy."""

    DROP_WATCH = "drop-watch"
    """It hears no more of Services and EndpointSlices, as over a watch connection that died unnoticed."""
    FREEZE_PROXY = "freeze-proxy"
    """It hears everything and carries nothing out."""
    DELAY_SLICES = "delay-slices"
    """It hears of EndpointSlices later."""


class ProxyFaults:
    """The faults in force on one node. ``thawed`` is called when a frozen proxy may go on."""

    def __init__(self, clock: Clock, *, thawed: Callable[[], None]) -> None:
        self._clock = clock
        self._thawed = thawed
        self._active: dict[Fault, float] = {}
        self._unheard: deque[Callable[[], None]] = deque()
        self._late: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: Timer | None = None

    @property
    def frozen(self) -> bool:
        """Whether nothing may be carried out."""
        return Fault.FREEZE_PROXY in self._active

    def active(self) -> list[dict[str, object]]:
        """The faults in force, as JSON; ``held`` is what waits because of them."""
        held = {Fault.DROP_WATCH: len(self._unheard), Fault.DELAY_SLICES: len(self._late)}
        return [
            {"fault": fault.value, "held": held.get(fault, 0)} | ({"seconds": seconds} if seconds else {})
            for fault, seconds in self._active.items()
        ]

    def make(self, name: str, seconds: float = 0.0) -> None:
        """Makes a fault, or changes its ``seconds`` (of a delay). Raises ValueError for what is none."""
        fault = Fault(name)
        if (fault is Fault.DELAY_SLICES) != (seconds > 0) or not seconds <= _LONGEST_DELAY:
            raise ValueError(f"{fault} takes {'up to an hour' if fault is Fault.DELAY_SLICES else 'no'} seconds")
        self._active[fault] = seconds

    def clear(self) -> None:
        """Mends everything: what was held back is heard now, in the order in which it happened."""
        self._active.clear()
        self._cancel()
        held = [event for _, event in self._late] + list(self._unheard)
        self._late.clear()
        self._unheard.clear()
        for event in held:
            event()
        self._thawed()

    def stop(self) -> None:
        """The proxy ends: nothing held back is delivered any more."""
        self._cancel()

    def deliver(self, event: Callable[[], None], *, of_slice: bool) -> None:
        """Lets the proxy hear ``event`` now, later, or not until the fault is cleared."""
        if Fault.DROP_WATCH in self._active:
            self._unheard.append(event)
        elif of_slice and Fault.DELAY_SLICES in self._active:
            seconds = self._active[Fault.DELAY_SLICES]
            self._late.append((self._clock.monotonic() + seconds, event))
            self._arm()
        else:
            event()

    def _arm(self) -> None:
        if self._timer is None and self._late:
            self._timer = self._clock.call_later(max(self._late[0][0] - self._clock.monotonic(), 0.0), self._due)

    def _due(self) -> None:
        """One that was put off for longer holds those behind it: a slice must not be overtaken by its own past."""
        self._timer = None
        while self._late and self._late[0][0] <= self._clock.monotonic():
            self._late.popleft()[1]()
        self._arm()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
