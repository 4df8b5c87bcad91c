"""When a part that died comes back: at once the first time, ever later if it keeps dying. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = 0.1
_LONGEST = 10.0
#: A part that ran this long, in seconds, is forgiven its earlier deaths.
_HEALTHY = 30.0


@dataclass(slots=True)
class RestartPolicy:
    """The restart history of one part. Times are those of one monotonic clock, in seconds."""

    restarts: int = 0
    _delay: float = 0.0
    _last_death: float | None = None

    def delay(self, now: float) -> float:
        """The part died at ``now``: the seconds to wait before it is started again."""
        healthy = self._last_death is None or now - self._last_death > _HEALTHY
        self._delay = 0.0 if healthy else min(max(self._delay * 2, _FIRST), _LONGEST)
        self._last_death = now
        self.restarts += 1
        return self._delay
