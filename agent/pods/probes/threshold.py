"""From single answers to a result: the success and failure thresholds of a probe. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.pods.observation import ProbeResult


@dataclass(slots=True)
class Threshold:
    """Counts equal answers in a row; ``result`` changes when a threshold is reached."""

    success: int
    failure: int
    result: ProbeResult
    _last: ProbeResult | None = None
    _run: int = 0

    def answer(self, answer: ProbeResult) -> bool:
        """Take one answer. Returns whether ``result`` changed. UNKNOWN answers count for nothing."""
        if answer is ProbeResult.UNKNOWN:
            return False
        self._run = self._run + 1 if answer is self._last else 1
        self._last = answer
        needed = self.success if answer is ProbeResult.SUCCESS else self.failure
        if self._run < needed or answer is self.result:
            return False
        self.result = answer
        return True
